// The arrow keys and a swipe lead to the pictures beside the one that is shown; its page has the links.
"use strict";

const LEAST_WAY = 60; // in pixels of CSS

function follow(relation) {
  document.querySelector(`a[rel="${relation}"][aria-keyshortcuts]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return; // Alt and an arrow: back and forward
  if (event.key === "ArrowLeft") follow("prev");
  if (event.key === "ArrowRight") follow("next");
});

const picture = document.querySelector("[data-swipe]");
let start = null;
picture?.addEventListener("touchstart", (event) => {
  const isZoomed = (window.visualViewport?.scale ?? 1) > 1.01; // then a finger moves what is seen of the picture
  start = event.touches.length === 1 && !isZoomed ? event.touches[0] : null;
}, { passive: true });
picture?.addEventListener("touchend", (event) => {
  if (start === null || event.touches.length > 0) return;
  const end = event.changedTouches[0];
  const x = end.clientX - start.clientX, y = end.clientY - start.clientY;
  start = null;
  if (Math.abs(x) >= LEAST_WAY && Math.abs(x) > 2 * Math.abs(y)) follow(x > 0 ? "prev" : "next");
}, { passive: true });
