// The page itself: theme, charts, links from marks.
"use strict";
const Page = (() => {
  let specs, views = [];
  const dark = () => document.documentElement.dataset.theme === "dark" || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);

  function config() {
    const ink = dark() ? "#dfe3e8" : "#333333", grid = dark() ? "#3a4048" : "#e8e8e8", edge = dark() ? "#4a515a" : "#d0d0d0";
    return {
      background: null,
      axis: { labelColor: ink, titleColor: ink, gridColor: grid, domainColor: edge, tickColor: edge },
      legend: { labelColor: ink, titleColor: ink }, title: { color: ink, subtitleColor: ink },
      style: { "guide-label": { fill: ink }, "guide-title": { fill: ink }, "group-title": { fill: ink }, cell: { stroke: edge } },
    };
  }

  function follow(datum) {
    const adapter = datum.adapter || datum.model, instrument = datum.axis || datum.instrument || datum.benchmark;
    const where = specs.links[adapter], seed = typeof datum.seed === "number" ? datum.seed : null;
    if (!where) return;
    let hash = "#t?adapter=" + encodeURIComponent(adapter);
    if (instrument) hash += "&instrument=" + encodeURIComponent(instrument);
    if (seed !== null) hash += "&seed=" + seed;
    const part = where.parts.find((p) => seed === null || p.seeds.includes(seed));
    if (where.inside && (seed === null || where.inside.includes(seed) || !part)) location.hash = hash;
    else if (part) location.href = part.page + hash;
  }

  async function draw(figure) {
    const view = new vendorCharts.View(vendorCharts.parse(specs.charts[figure.dataset.chart], config(), { ast: true }), {
      expr: vendorCharts.expressionInterpreter, renderer: "svg", container: figure.querySelector(".chart"), hover: true,
      tooltip: new vendorCharts.Handler({ theme: dark() ? "dark" : "light", disableDefaultStyle: false }).call,
    });
    view.addEventListener("click", (_, item) => { if (item && item.datum) follow(item.datum); });
    await view.runAsync();
    const drawn = figure.querySelector("svg");
    for (const part of drawn.querySelectorAll("[role], [aria-label], [aria-roledescription]")) for (const name of ["role", "aria-label", "aria-roledescription"]) part.removeAttribute(name);
    drawn.setAttribute("role", "img");
    drawn.setAttribute("aria-label", figure.dataset.label + "; the table below has its numbers");
    views.push(view);
  }

  async function drawAll() {
    views.forEach((v) => v.finalize());
    views = [];
    for (const figure of document.querySelectorAll("figure[data-chart]")) {
      await draw(figure);
      await new Promise((go) => setTimeout(go));
    }
    document.documentElement.dataset.charts = "ready";
  }

  function theme(button) {
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("holdfast-theme", document.documentElement.dataset.theme); } catch { /* a page from disk may have none */ }
      if (specs) drawAll();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { if (specs && !document.documentElement.dataset.theme) drawAll(); });
  }

  async function start() {
    try {
      const kept = localStorage.getItem("holdfast-theme");
      if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
    } catch { /* none kept */ }
    const button = document.getElementById("theme");
    if (button) theme(button);
    await Transcripts.start();
    document.documentElement.dataset.interactive = String(Math.round(performance.now()));
    specs = await readBlock("charts");
    if (specs) await drawAll();
  }

  return { start };
})();
Page.start();
