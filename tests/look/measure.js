// What a person would stumble over, of each frame of the page: written as base64 of JSON into #result.
"use strict";

const luminance = ([red, green, blue]) => {
  const linear = [red, green, blue].map((part) => {
    const share = part / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};

const parts = (colour) => (colour.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);

const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const style = getComputedStyle(at);
    const ground = parts(style.backgroundColor);
    if (ground.length < 4 || ground[3] > 0.5) return ground;
  }
  return [255, 255, 255];
};

const contrast = (element) => {
  const style = getComputedStyle(element);
  const ink = parts(element instanceof SVGElement ? style.fill : style.color);
  const box = element instanceof SVGElement && element.parentElement.querySelector("rect");
  const ground = box ? parts(getComputedStyle(box).fill) : behind(element);
  const [light, dark] = [luminance(ink), luminance(ground)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};

// Of each drawing: arrows that touch a box at which they neither start nor end.
const arrowsBehindBoxes = (page) => {
  let found = 0;
  for (const svg of page.querySelectorAll("svg.graph")) {
    for (const edge of svg.querySelectorAll(".edge")) {
      const boxes = [...svg.querySelectorAll(".node")].filter((node) => ![edge.dataset.from, edge.dataset.to].includes(node.dataset.key));
      const length = edge.getTotalLength();
      const points = Array.from({ length: 41 }, (_, step) => edge.getPointAtLength((length * step) / 40));
      const touches = (node) => {
        const box = node.querySelector("rect").getBBox();
        return points.some(({ x, y }) => x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height);
      };
      if (boxes.some(touches)) found += 1;
    }
  }
  return found;
};

const measure = (frame) => {
  const page = frame.contentDocument;
  const root = page.documentElement;
  for (const element of page.querySelectorAll("details")) element.open = true;
  const open = { scrolls: root.scrollWidth > root.clientWidth + 1 };
  const wide = [];
  for (const element of page.querySelectorAll("body *")) {
    if (element.closest("svg")) continue;
    const style = getComputedStyle(element);
    const overflows = element.scrollWidth > element.clientWidth + 1 && style.display !== "inline";
    if (overflows && ["auto", "scroll"].includes(style.overflowX)) wide.push(element.textContent.slice(0, 60));
  }
  const broken = [];
  for (const element of page.querySelectorAll("kbd, [data-name]")) {
    const style = getComputedStyle(element);
    const range = page.createRange();
    range.selectNodeContents(element);
    const tops = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
    if (tops.size > 1 && style.display !== "none") broken.push(element.textContent);
  }
  const pale = [];
  for (const element of page.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || ["SCRIPT", "STYLE", "title"].includes(element.tagName)) continue;
    const found = contrast(element);
    if (found < 4.5) pale.push(`${found.toFixed(1)} ${element.textContent.trim().slice(0, 40)}`);
  }
  for (const element of page.querySelectorAll("details")) element.open = false;
  const height = root.scrollHeight;
  const fold = page.querySelector("details");
  const above = fold ? Math.round(fold.getBoundingClientRect().top) : height;
  frame.height = height;
  return {
    ...open, wide, broken, pale: [...new Set(pale)], height, above,
    mermaid: page.querySelectorAll("code.language-mermaid, pre[lang=mermaid]").length,
    hidden: arrowsBehindBoxes(page),
  };
};

window.addEventListener("load", () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe")) found[frame.id] = measure(frame);
  document.getElementById("result").textContent = btoa(unescape(encodeURIComponent(JSON.stringify(found))));
});
