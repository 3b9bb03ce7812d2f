"use strict";
(() => {
  const key = "photographs-from-coco";
  const memory = (value) => {
    try { return value ? localStorage.setItem(key, value) : localStorage.getItem(key); } catch { return null; }
  };
  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };

  // Photographs that the page has not: nothing is asked of any server until the button is pressed.
  let asked = false;
  const load = (place) => {
    const image = new Image();
    image.alt = place.dataset.alt;
    image.onload = () => place.replaceWith(image);
    image.onerror = () => { place.textContent = "COCO's server did not answer; try again later"; };
    image.src = place.dataset.url;
  };
  const show = () => {
    asked = true;
    document.querySelectorAll(".photo[data-url]").forEach(load);
    control.hidden = true;
  };
  const control = document.getElementById("photo-control");
  if (control) {
    control.hidden = false;
    control.querySelector("button").onclick = () => { memory("yes"); show(); };
    if (memory() === "yes" && navigator.onLine) show();
  }

  // The search: all captions of the page, filtered and sorted here.
  const data = JSON.parse(document.getElementById("browse-data").textContent);
  const [find, whose, mark, order, found, cards, more] = ["find", "whose", "mark", "order", "found", "cards", "more"]
    .map((id) => document.getElementById(id));
  const STEP = 24;
  const number = (value) => value.toFixed(Math.abs(value) < 10 ? 3 : 1).replace("-", "−");
  const option = (select, value, text) => select.append(Object.assign(make("option", text), { value }));

  data.models.forEach((model, place) => option(whose, place, `captions of ${model}`));
  data.marks.forEach((text, place) => option(mark, place, text));
  data.models.forEach((model, place) => {
    if (!data.images.some((image) => image.captions[place][2] !== null)) return;
    option(order, `-${place}`, `score by ${data.scorers[place]} rose most (${model})`);
    option(order, `+${place}`, `score by ${data.scorers[place]} fell most (${model})`);
  });
  mark.hidden = !data.marks.length;

  const photograph = (image) => {
    const alt = `Photograph: ${image.human[0] || `image ${image.id}`}`;
    if (image.photo) return Object.assign(new Image(), { src: image.photo, alt });
    const place = make("div", image.url ? "Photograph not loaded" : "No photograph", "photo");
    if (image.url) Object.assign(place.dataset, { url: image.url, alt });
    return place;
  };
  const said = ([caption, score, change, marks], place, first) => {
    const item = make("div", undefined, "said");
    const head = make("p", undefined, "who");
    const swatch = make("span", undefined, "swatch");
    swatch.style.background = `var(--series-${place % 8})`;
    head.append(swatch, data.models[place]);
    if (score !== null) head.append(` · ${data.scorers[place]} ${number(score)}`);
    if (change !== null) head.append(` (${change > 0 ? "+" : ""}${number(change)})`);
    item.append(head, make("p", caption || "(empty caption)"));
    const fresh = marks.filter((i) => place && !first.includes(i)).map((i) => data.marks[i]);
    if (fresh.length) item.append(make("p", `new: ${fresh.join(" · ")}`, "marks"));
    return item;
  };
  const card = (image) => {
    const item = make("li");
    const picture = photograph(image);
    item.append(picture);
    item.append(make("p", `image ${image.id}${image.credit ? ` · ${image.credit}` : ""}`, "who"));
    if (image.human.length) item.append(make("p", `A person: ${image.human[0]}`, "human"));
    image.captions.forEach((caption, place) => item.append(said(caption, place, image.captions[0][3])));
    if (asked && picture.dataset.url) queueMicrotask(() => load(picture));
    return item;
  };

  let chosen = [], shown = 0;
  const grow = () => {
    cards.append(...chosen.slice(shown, shown + STEP).map(card));
    shown = Math.min(shown + STEP, chosen.length);
    more.hidden = shown === chosen.length;
    found.textContent = `${chosen.length} of ${data.images.length} photographs${chosen.length ? `, ${shown} shown` : ""}`;
  };
  const fits = (image, words) => {
    const own = whose.value === "" ? image.captions : [image.captions[whose.value]];
    const texts = own.map(([caption]) => caption).concat(whose.value === "" ? image.human : []);
    const told = !words.length || texts.some((text) => words.every((word) => text.toLowerCase().includes(word)));
    return told && (mark.value === "" || own.some(([, , , marks]) => marks.includes(+mark.value)));
  };
  const search = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    chosen = data.images.filter((image) => fits(image, words));
    if (order.value !== "") {
      const sign = order.value[0] === "-" ? -1 : 1, place = +order.value.slice(1);
      const change = (image) => image.captions[place][2] ?? -sign * -Infinity;
      chosen.sort((a, b) => sign * (change(a) - change(b)) || a.id - b.id);
    }
    shown = 0;
    cards.replaceChildren();
    grow();
  };
  [find, whose, mark, order].forEach((control) => control.addEventListener("input", search));
  more.onclick = grow;
  document.getElementById("browse-form").hidden = false;
  search();
})();
