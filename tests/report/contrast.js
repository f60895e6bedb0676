// The lowest contrast of text on what lies behind it. Gradients that fill an element count, the lines
// along its edge do not.
const pen = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
function light(pixel) {
  const linear = [...pixel].slice(0, 3).map((byte) => byte / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
function painted(colours) {
  for (const colour of colours) { pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1); }
  return light(pen.getImageData(0, 0, 1, 1).data);
}
function behind(element) {
  const layers = [];
  for (let one = element; one; one = one.parentElement) {
    const style = getComputedStyle(one);
    const shades = style.backgroundSize === "auto"
      ? style.backgroundImage.match(/(rgba?|color)\([^)]*\)/g) ?? [] : [];
    layers.unshift(style.backgroundColor, ...shades.slice(0, 1));
  }
  return layers;
}
let worst = {ratio: 21, text: ""};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let counted = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  const text = walker.currentNode.data.trim();
  // A browser paints the options of a list itself.
  const counts = !["SCRIPT", "OPTION"].includes(element.tagName) && element.checkVisibility();
  if (!text || !counts) continue;
  const layers = behind(element);
  const ground = painted(layers), ink = painted([...layers, getComputedStyle(element).color]);
  const ratio = (Math.max(ground, ink) + 0.05) / (Math.min(ground, ink) + 0.05);
  counted += 1;
  if (ratio < worst.ratio) worst = {ratio, text};
}
return {...worst, counted};
