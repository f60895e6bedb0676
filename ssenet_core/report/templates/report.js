// Filters and sorts the images, and enlarges a picture. Without it the page shows everything.
"use strict";
(() => {
  document.documentElement.classList.remove("no-script");
  const filters = document.getElementById("filters");
  if (!filters) return;
  const list = document.getElementById("images");
  const images = [...list.children].map((element, place) => ({
    element,
    place,
    split: element.dataset.split,
    tags: JSON.parse(element.dataset.tags),
    iou: JSON.parse(element.dataset.iou),
  }));

  function score(image, stage) {
    const scores = Object.values(image.iou);
    return stage ? image.iou[stage] : scores[scores.length - 1];
  }

  // Images that were not judged go last, in either order.
  function comparison(order, stage) {
    const sign = { worst: 1, best: -1 }[order];
    if (!sign) return (a, b) => a.place - b.place;
    const value = (image) => sign * (score(image, stage) ?? sign * Infinity);
    return (a, b) => (value(a) === value(b) ? a.place - b.place : value(a) - value(b));
  }

  function update() {
    const wanted = Object.fromEntries(new FormData(filters));
    for (const image of images) {
      const fits = !wanted.class || image.tags.includes(wanted.class);
      image.element.hidden = !fits || Boolean(wanted.split && wanted.split !== image.split);
    }
    const sorted = [...images].sort(comparison(wanted.order, wanted.stage));
    list.append(...sorted.map((image) => image.element));
    const shown = images.filter((image) => !image.element.hidden).length;
    document.getElementById("shown").textContent = `${shown} of ${images.length} images`;
  }
  filters.addEventListener("change", update);
  filters.addEventListener("submit", (event) => event.preventDefault());
  update(); // a browser may restore what was chosen before a reload

  const viewer = document.getElementById("viewer");
  const large = viewer.querySelector("img");
  let current = null; // the small picture that is shown enlarged

  function show(picture) {
    current = picture;
    large.src = picture.src;
    large.alt = picture.alt;
    large.className = picture.className;
    const heading = picture.closest("article").querySelector("h3").textContent;
    const caption = picture.closest("figure").querySelector("figcaption").textContent;
    document.getElementById("viewer-caption").textContent = `${caption} · ${heading}`;
  }

  const picturesOf = (article) => [...article.querySelectorAll("img")];

  function step(by) {
    const all = picturesOf(current.closest("article"));
    show(all[(all.indexOf(current) + by + all.length) % all.length]);
  }

  // The same stage of the next image that is shown, or its last one if it has fewer.
  function stepImage(by) {
    const articles = [...list.children].filter((element) => !element.hidden);
    const article = current.closest("article");
    const next = articles[(articles.indexOf(article) + by + articles.length) % articles.length];
    const name = current.closest("figure").dataset.stage;
    const same = next.querySelector(`figure[data-stage="${CSS.escape(name)}"] img`);
    show(same ?? picturesOf(next).at(-1));
  }

  for (const picture of list.querySelectorAll("img")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.setAttribute("aria-haspopup", "dialog");
    picture.replaceWith(button);
    button.append(picture);
    button.addEventListener("click", () => {
      show(picture);
      viewer.showModal();
    });
  }
  viewer.addEventListener("keydown", (event) => {
    const move = {
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      ArrowUp: () => stepImage(-1),
      ArrowDown: () => stepImage(1),
    }[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  });
  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.step) step(Number(button.dataset.step));
    if (button?.hasAttribute("data-close") || event.target === viewer) viewer.close();
  });
  // Focus goes back to the picture last shown, not to the one that was pressed.
  viewer.addEventListener("close", () => current.parentElement.focus());
})();
