"use strict";
(() => {
  const key = "photographs-from-coco";
  const memory = (value) => {
    try { return value ? localStorage.setItem(key, value) : localStorage.getItem(key); } catch { return null; }
  };
  const show = () => {
    for (const place of document.querySelectorAll(".photo")) {
      const image = new Image();
      image.alt = place.dataset.alt;
      image.onload = () => place.replaceWith(image);
      image.onerror = () => { place.textContent = "COCO's server did not answer; try again later"; };
      image.src = place.dataset.url;
    }
    control.hidden = true;
  };
  const control = document.getElementById("photo-control");
  control.hidden = false;
  control.querySelector("button").onclick = () => { memory("yes"); show(); };
  if (memory() === "yes" && navigator.onLine) show();
})();
