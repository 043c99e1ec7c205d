// A picture gets as sharp as its original once that is there, and the arrow keys and a swipe lead to those beside it.
// Without this script a page shows the thumb, and has the links.
"use strict";

const sharpened = document.querySelector("img[data-whole]");
if (sharpened) {
  const whole = new Image();
  whole.sizes = sharpened.sizes;
  whole.srcset = sharpened.dataset.whole;
  whole.decode().then(() => { sharpened.srcset = whole.srcset; }, () => {}); // not every original is shown by browsers
}

const LEAST_WAY = 60; // in pixels of CSS

function follow(relation) {
  document.querySelector(`a[rel="${relation}"][aria-keyshortcuts]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return; // Alt and an arrow: back and forward
  if (event.key === "ArrowLeft") follow("prev");
  if (event.key === "ArrowRight") follow("next");
});

// Anywhere on the page: a picture may be smaller than a finger.
const swiped = document.querySelector("[data-swipe]") && document;
let start = null;
swiped?.addEventListener("touchstart", (event) => {
  const isZoomed = (window.visualViewport?.scale ?? 1) > 1.01; // then a finger moves what is seen of the picture
  start = event.touches.length === 1 && !isZoomed ? event.touches[0] : null;
}, { passive: true });
swiped?.addEventListener("touchend", (event) => {
  if (start === null || event.touches.length > 0) return;
  const end = event.changedTouches[0];
  const x = end.clientX - start.clientX, y = end.clientY - start.clientY;
  start = null;
  if (Math.abs(x) >= LEAST_WAY && Math.abs(x) > 2 * Math.abs(y)) follow(x > 0 ? "prev" : "next");
}, { passive: true });
