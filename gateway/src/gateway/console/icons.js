// The icons, as paths of 24 × 24 that are stroked.

export const UPLOAD = "M12 16V4m0 0 5 5m-5-5L7 9M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3";
export const SUN = "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.4 1.4m11.2 11.2L19 19M5 19l1.4-1.4M17.6 6.4 19 5";
export const MOON = "M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5";
export const CLOSE = "M6 6l12 12M18 6 6 18";
export const CHECK = "M5 12.5 10 17l9-10";
export const COPY = "M9 9V5a1 1 0 0 1 1-1h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-4M5 9h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1";
export const TRASH = "M4 7h16M9 7V4h6v3m-9 0 1 13h10l1-13M10 11v5m4-5v5";
export const LEFT = "M15 5l-7 7 7 7";
export const RIGHT = "M9 5l7 7-7 7";
export const BACK = "M19 12H5m0 0 6-6m-6 6 6 6";
export const FOLDER = "M3 6a1 1 0 0 1 1-1h5l2 3h9a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1z";
export const REPEAT = "M4 12a8 8 0 0 1 14-5l2 2m0-5v5h-5m5 3a8 8 0 0 1-14 5l-2-2m0 5v-5h5";
export const WARNING = "M12 4 2.5 20h19zM12 10v5m0 2.5v.5";
export const PICTURE = "M4 5h16v14H4zm0 11 5-5 4 4 3-3 4 4M9 9.5a.5.5 0 1 0-1 0 .5.5 0 0 0 1 0";
export const CAMERA = "M4 8h4l1.5-3h5L16 8h4v11H4zm8 2.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6";
export const OUT = "M14 5h5v5m0-5-8 8M10 6H5v13h13v-5";
