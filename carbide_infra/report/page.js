// Follow one cause or one image: its arrows and what they reach stand out, the rest steps back.
"use strict";
for (const graph of document.querySelectorAll("svg.graph")) {
  const nodes = [...graph.querySelectorAll(".node")];
  const edges = [...graph.querySelectorAll(".edge")];
  let held = null;
  const follow = (node) => {
    graph.classList.toggle("following", node !== null);
    const key = node && node.dataset.key;
    const mine = edges.filter((edge) => edge.dataset.from === key || edge.dataset.to === key);
    const reached = new Set(mine.flatMap((edge) => [edge.dataset.from, edge.dataset.to]));
    for (const edge of edges) edge.classList.toggle("on", mine.includes(edge));
    for (const other of nodes) other.classList.toggle("on", other === node || reached.has(other.dataset.key));
  };
  for (const node of nodes) {
    node.addEventListener("pointerenter", () => follow(node));
    node.addEventListener("pointerleave", () => follow(held));
    node.addEventListener("focus", () => follow(node));
    node.addEventListener("blur", () => follow(held));
    node.addEventListener("click", () => follow((held = held === node ? null : node)));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        follow((held = held === node ? null : node));
      }
      if (event.key === "Escape") follow((held = null));
    });
  }
}
