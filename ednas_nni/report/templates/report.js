"use strict";
// Draws the page's plots from the JSON beside it. Every text goes through textContent: nothing of a journal becomes markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const QUANTITIES = Object.fromEntries(DATA.quantities.map(q => [q.key, q]));
const COLOURS = { front: "#0072b2", other: "#a9b1ba", member: "#009e73", best: "#d55e00", failed: "#b5478c" };
const HAS_CONFIRMED = DATA.points.some(p => p.n > 0);
const ONCE = DATA.inherited ? "inherited" : "one training";
const by = id => document.getElementById(id);

// ---- state: kept in the address, so that a page that loads itself again looks the same

const given = new URLSearchParams(location.hash.slice(1));
const pick = (name, fallback, allowed) => (allowed.includes(given.get(name)) ? given.get(name) : fallback);
const KEYS = DATA.quantities.map(q => q.key);
const state = {
  x: pick("x", DATA.x || KEYS[KEYS.length - 1], KEYS),
  y: pick("y", DATA.y, KEYS),
  values: pick("values", HAS_CONFIRMED ? "confirmed" : "searched", ["confirmed", "searched"]),
  at: given.get("at"),
};

function remember() {
  history.replaceState(null, "", "#" + new URLSearchParams(Object.entries(state).filter(pair => pair[1])));
}

// ---- making elements and numbers

function make(name, attributes = {}, ...children) {
  const svg = ["svg", "g", "circle", "rect", "line", "path", "text", "title"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children.filter(child => child !== null));
  return element;
}

const number = (q, value) => (value === undefined || value === null ? "-" : (value * q.scale).toFixed(q.decimals));
const axis = q => q.name + (q.unit ? ` [${q.unit}]` : "");

function value(point, key) {
  const again = state.values === "confirmed" ? point.confirmed[key] : undefined;
  if (again) return { mean: again[0], half: again[1] || 0 };
  return point.searched[key] === undefined ? null : { mean: point.searched[key], half: 0 };
}

function ticks(low, high, count) {
  const raw = (high - low) / count, size = 10 ** Math.floor(Math.log10(raw));
  const step = size * [1, 2, 5, 10].find(n => n * size >= raw);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), list = [];
  for (let n = Math.ceil(low / step); n * step <= high + step * 1e-9; n++) list.push({ at: +(n * step).toPrecision(12), text: (n * step).toFixed(decimals) });
  return list;
}

// ---- one frame for all plots: axes, grid, and two functions from values to pixels

function frame(holder, tall, xs, ys, xName, yName, whole) {
  const width = Math.max(300, holder.clientWidth), height = Math.round(Math.min(tall, width * 0.8));
  const range = values => {
    const low = Math.min(...values), high = Math.max(...values), pad = 0.06 * (high - low || Math.abs(high) || 1);
    return [low - pad, high + pad];
  };
  const [x0, x1] = range(xs), [y0, y1] = range(ys);
  const beside = ticks(y0, y1, height / 55), widest = Math.max(...beside.map(t => t.text.length));
  const box = { left: Math.max(52, 28 + 7 * widest), right: width - 12, top: 12, bottom: height - 42 };
  const x = v => box.left + ((v - x0) / (x1 - x0)) * (box.right - box.left);
  const y = v => box.bottom - ((v - y0) / (y1 - y0)) * (box.bottom - box.top);
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${yName} against ${xName}` });
  const label = (text, more) => make("text", { "font-size": 12, fill: "#52606d", ...more }, text);
  for (const t of ticks(x0, x1, width / 90).filter(t => !whole || Number.isInteger(t.at))) {
    svg.append(make("line", { x1: x(t.at), x2: x(t.at), y1: box.top, y2: box.bottom, stroke: "#e6e9ed" }));
    svg.append(label(whole ? String(t.at) : t.text, { x: x(t.at), y: box.bottom + 15, "text-anchor": "middle" }));
  }
  for (const t of beside) {
    svg.append(make("line", { x1: box.left, x2: box.right, y1: y(t.at), y2: y(t.at), stroke: "#e6e9ed" }));
    svg.append(label(t.text, { x: box.left - 6, y: y(t.at) + 4, "text-anchor": "end" }));
  }
  svg.append(label(xName, { x: (box.left + box.right) / 2, y: height - 8, "text-anchor": "middle" }));
  svg.append(label(yName, { x: 12, y: (box.top + box.bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${(box.top + box.bottom) / 2})` }));
  holder.replaceChildren(svg);
  return { svg, x, y, box, label };
}

// ---- the front

function drawFront() {
  const qx = QUANTITIES[state.x], qy = QUANTITIES[state.y], holder = by("front");
  const dots = [];
  for (const point of DATA.points) {
    const a = value(point, qx.key), b = value(point, qy.key);
    if (a && b) dots.push({ point, x: a.mean * qx.scale, y: b.mean * qy.scale, hx: a.half * qx.scale, hy: b.half * qy.scale });
  }
  if (!dots.length) {
    holder.replaceChildren(make("p", { class: "note quiet" }, "No result has both quantities."));
    return;
  }
  const onFront = dot => (state.values === "confirmed" ? dot.point.onFront : dot.point.onSearched);
  const faint = dot => state.values === "confirmed" && HAS_CONFIRMED && !dot.point.n;
  const origin = qx.note && qx.cost ? `, ${qx.note}` : "";
  const plot = frame(holder, 470, dots.flatMap(d => [d.x - d.hx, d.x + d.hx]), dots.flatMap(d => [d.y - d.hy, d.y + d.hy]), axis(qx) + origin, axis(qy));
  for (const limit of DATA.limits.filter(l => l.key === qx.key)) {
    const at = plot.x(limit.bound * qx.scale);
    if (at < plot.box.left || at > plot.box.right) continue;
    const [from, to] = limit.op === "<=" ? [at, plot.box.right] : [plot.box.left, at];
    plot.svg.append(make("rect", { x: from, y: plot.box.top, width: to - from, height: plot.box.bottom - plot.box.top, fill: "#eef0f3" }));
    plot.svg.append(make("line", { x1: at, x2: at, y1: plot.box.top, y2: plot.box.bottom, stroke: "#8a94a0", "stroke-dasharray": "4 3" }));
    plot.svg.append(plot.label(`limit ${limit.op} ${number(qx, limit.bound)}`, { x: at - 5, y: plot.box.bottom - 6, transform: `rotate(-90 ${at - 5} ${plot.box.bottom - 6})` }));
  }
  const ways = DATA.objectives, plain = Object.keys(ways).length === 2 && ways[qx.key] === "min" && ways[qy.key] === "max";
  if (plain) {
    const corners = dots.filter(onFront).sort((a, b) => a.x - b.x);
    const path = corners.map((d, i) => (i ? `H${plot.x(d.x)}V${plot.y(d.y)}` : `M${plot.x(d.x)} ${plot.box.bottom}V${plot.y(d.y)}`)).join("");
    if (path) plot.svg.append(make("path", { d: path + `H${plot.box.right}`, fill: "none", stroke: COLOURS.front, "stroke-width": 1.6, "stroke-opacity": 0.7 }));
  }
  dots.sort((a, b) => onFront(a) - onFront(b));
  for (const dot of dots) {
    const cx = plot.x(dot.x), cy = plot.y(dot.y), chosen = dot.point.id === state.at;
    const colour = dot.point.name ? COLOURS.member : onFront(dot) ? COLOURS.front : COLOURS.other;
    const size = onFront(dot) || dot.point.name ? 6 : 4;
    const shape = dot.point.name
      ? make("rect", { x: cx - size, y: cy - size, width: 2 * size, height: 2 * size, transform: `rotate(45 ${cx} ${cy})` })
      : make("circle", { cx, cy, r: size });
    for (const [dx, dy] of [[dot.hx, 0], [0, dot.hy]].filter(([dx, dy]) => dx || dy)) {
      plot.svg.append(make("line", { x1: plot.x(dot.x - dx), x2: plot.x(dot.x + dx), y1: plot.y(dot.y - dy), y2: plot.y(dot.y + dy), stroke: colour, "stroke-opacity": 0.6 }));
    }
    const words = `${dot.point.name || dot.point.id}: ${qy.name} ${number(qy, dot.y / qy.scale)} ${qy.unit}, ${qx.name} ${number(qx, dot.x / qx.scale)} ${qx.unit}`;
    const show = () => tip(dot.point, cx, cy);
    const choose = () => select(dot.point.id);
    const group = make("g", {
      class: "dot", tabindex: 0, role: "button", "aria-label": words, "data-id": dot.point.id,
      onmouseenter: show, onfocus: show, onmouseleave: hide, onblur: hide, onclick: choose,
      onkeydown: event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } },
    }, make("circle", { cx, cy, r: 12, fill: "transparent" }), shape);
    for (const [key, text] of Object.entries({ fill: colour, stroke: chosen ? "#1f2933" : "#fff", "stroke-width": chosen ? 2.5 : 1, opacity: faint(dot) ? 0.35 : 1 })) shape.setAttribute(key, text);
    plot.svg.append(group);
  }
  legend(dots, onFront, faint);
}

function legend(dots, onFront, faint) {
  const rows = [];
  const add = (colour, text, any) => any && rows.push(make("span", {}, make("i", { style: `background:${colour}` }), text));
  const how = state.values === "confirmed" && HAS_CONFIRMED ? "front of confirmed means, bars: 95 % interval" : `front, ${ONCE} each`;
  add(COLOURS.front, how, dots.some(onFront));
  add(COLOURS.other, "other results", dots.some(d => !onFront(d) && !d.point.name));
  add(COLOURS.member, "named member", dots.some(d => d.point.name));
  if (dots.some(faint)) rows.push(make("span", {}, "faint: searched only"));
  by("legend").replaceChildren(...rows);
}

function tip(point, x, y) {
  const box = by("tip"), lines = [...new Set([DATA.score, state.y, state.x])].map(key => {
    const found = value(point, key), q = QUANTITIES[key];
    return make("div", {}, `${q.name}: ${found ? number(q, found.mean) + (found.half ? ` ± ${number(q, found.half)}` : "") : "-"} ${q.unit}`);
  });
  const who = point.name ? `${point.id}, ${point.name}` : point.id;
  const n = state.values === "confirmed" && point.n ? `${point.n} fresh seeds, select` : `${ONCE}, search split`;
  box.replaceChildren(make("b", {}, who), ...lines, make("small", {}, n));
  box.hidden = false;
  box.style.left = `${Math.max(0, Math.min(x + 14, by("front").clientWidth - box.offsetWidth))}px`;
  box.style.top = `${y + 14}px`;
}

function hide() {
  by("tip").hidden = true;
}

// ---- one network

function select(id) {
  state.at = id;
  remember();
  drawFront();
  detail();
}

function detail() {
  const point = DATA.points.find(p => p.id === state.at), holder = by("detail");
  if (!point) {
    holder.replaceChildren(make("p", { class: "under" }, "Choose a point of the plot to see its network."));
    return;
  }
  const about = [point.trial === null ? null : `trial ${point.trial}`, point.n ? `confirmed by ${point.n} fresh seeds` : ONCE, point.weights ? "weights kept" : null];
  const rows = DATA.quantities.map(q => {
    const again = point.confirmed[q.key], cell = again ? number(q, again[0]) + (again[1] ? ` ± ${number(q, again[1])}` : "") : q.cost ? "" : "-";
    return make("tr", {}, make("td", {}, q.name), make("td", {}, number(q, point.searched[q.key])), make("td", {}, cell), make("td", { class: "left" }, q.unit));
  });
  holder.replaceChildren(
    make("h3", {}, make("code", {}, point.id), point.name ? ` ${point.name}` : ""),
    make("p", { class: "under" }, about.filter(Boolean).join(" · ")),
    make("div", { class: "two" }, make("div", {}, network(point)), make("div", { class: "scroll" }, make("table", {},
      make("thead", {}, make("tr", {}, ...["", "searched", "confirmed", ""].map(t => make("th", {}, t)))), make("tbody", {}, ...rows)))),
    make("pre", {}, `ednas train ${DATA.name} ${point.id}`),
  );
}

function network(point) {
  const choices = Object.fromEntries(point.choices), total = point.stages.reduce((sum, s) => sum + s.macs, 0) || 1;
  const pills = values => make("div", {}, ...values.map(v => make("span", { class: v.includes("fused") ? "pill fused" : "pill" }, v)));
  const large = n => (n >= 1e6 ? `${(n / 1e6).toFixed(n >= 1e7 ? 0 : 1)} M` : n >= 1e3 ? `${(n / 1e3).toFixed(1)} k` : String(n));
  if (!point.stages.length) {
    return make("div", { class: "network" }, ...point.choices.map(([place, values]) => make("div", { class: "part" }, make("b", {}, place), pills(values))));
  }
  const widest = Math.log2(Math.max(...point.stages.map(s => s.channels)) + 1);
  return make("div", { class: "network" }, ...point.stages.map(s => {
    const share = s.macs / total, bar = make("div", { class: "bar", title: `${s.channels} channels, ${(100 * share).toFixed(0)} % of the MACs` }, String(s.channels));
    bar.style.width = `${Math.max(9, (100 * Math.log2(s.channels + 1)) / widest)}%`;
    bar.style.background = `rgba(0, 114, 178, ${0.15 + 0.85 * Math.min(1, 2 * share)})`;
    bar.style.color = share > 0.22 ? "#fff" : "#1f2933";
    const numbers = `${s.height} x ${s.width} · ${large(s.macs)} MAC (${(100 * share).toFixed(0)} %) · ${large(s.params)} parameters`;
    return make("div", { class: "part" }, make("b", {}, s.name), bar, choices[s.name] ? pills(choices[s.name]) : make("small", {}, s.layers), make("small", {}, numbers));
  }), make("p", { class: "under" }, "Width: channels. Colour: share of the MACs."));
}

// ---- how the search went

function drawProgress() {
  const scored = DATA.trials.filter(t => t.s === "trained" && t.q !== null), q = QUANTITIES[DATA.score];
  if (!scored.length) {
    by("progress").replaceChildren(make("p", { class: "note quiet" }, "No trial has ended with a result."));
    return;
  }
  // A few very low values may not squeeze the others.
  const sorted = scored.map(t => t.q * q.scale).sort((a, b) => a - b), at = f => sorted[Math.floor(f * (sorted.length - 1))];
  const low = at(0.25) - 3 * Math.max(at(0.75) - at(0.25), 1e-3), inside = sorted.filter(v => v >= low), below = sorted.length - inside.length;
  const plot = frame(by("progress"), 300, DATA.trials.map(t => t.n), inside, "trial", axis(q), true);
  let best = -Infinity, path = "";
  for (const t of scored) {
    const rises = t.q * q.scale > best;
    best = Math.max(best, t.q * q.scale);
    if (best >= low) path += path ? `H${plot.x(t.n)}${rises ? `V${plot.y(best)}` : ""}` : `M${plot.x(t.n)} ${plot.y(best)}`;
  }
  plot.svg.append(make("path", { d: path, fill: "none", stroke: COLOURS.best, "stroke-width": 1.8 }));
  for (const t of DATA.trials) {
    const good = t.s === "trained" && t.q !== null;
    if (good && t.q * q.scale < low) continue;
    const colour = t.s === "pruned" ? COLOURS.other : !good ? COLOURS.failed : t.name ? COLOURS.member : t.front ? COLOURS.front : COLOURS.other;
    const cy = good ? plot.y(t.q * q.scale) : plot.box.bottom - 4;
    plot.svg.append(make("circle", { cx: plot.x(t.n), cy, r: good ? 4 : 3, fill: colour }, make("title", {}, `trial ${t.n}, ${t.name || t.id}: ${good ? number(q, t.q) : t.s}`)));
  }
  if (below) plot.svg.append(plot.label(`${below} below the frame`, { x: plot.box.left + 4, y: plot.box.top + 10 }));
}

function drawCurves() {
  if (!by("curves")) return;
  const curves = DATA.trials.filter(t => t.curve.length), q = QUANTITIES[DATA.score];
  if (!curves.length) {
    by("curves").replaceChildren(make("p", { class: "note quiet" }, "No trial has reported anything."));
    return;
  }
  const all = curves.flatMap(t => t.curve).map(v => v * q.scale).sort((a, b) => a - b);
  const low = all[Math.floor(all.length * 0.02)], longest = Math.max(...curves.map(t => t.curve.length));
  const plot = frame(by("curves"), 300, [1, Math.max(2, longest)], [low, all[all.length - 1]], "report", axis(q), true);
  for (const t of curves.sort((a, b) => a.front - b.front)) {
    const path = t.curve.map((v, i) => `${i ? "L" : "M"}${plot.x(i + 1)} ${plot.y(Math.max(low, v * q.scale))}`).join("");
    const colour = t.s === "failed" ? COLOURS.failed : t.name ? COLOURS.member : t.front ? COLOURS.front : COLOURS.other;
    plot.svg.append(make("path", { d: path, fill: "none", stroke: colour, "stroke-width": t.front || t.name ? 1.8 : 1 }, make("title", {}, t.name || t.id)));
  }
}

function drawGrowth() {
  if (DATA.growth.length < 2) return;
  const plot = frame(by("growth"), 300, [1, DATA.growth.length], [0, 1], "results", "share of hypervolume", true);
  const path = DATA.growth.map((v, i) => (i ? `H${plot.x(i + 1)}V${plot.y(v)}` : `M${plot.x(1)} ${plot.y(v)}`)).join("");
  plot.svg.append(make("path", { d: path, fill: "none", stroke: COLOURS.front, "stroke-width": 1.8 }));
}

// ---- what each choice decides

function drawImportance() {
  const cost = by("cost").value;
  const bar = (row, key) => {
    const found = row.shares[key];
    if (!found) return make("td", {}, "-");
    const [share, low, high] = found, svg = make("svg", { viewBox: "0 0 100 12", class: "share", role: "img", "aria-label": `${(100 * share).toFixed(0)} %` });
    svg.append(make("rect", { x: 0, y: 2, width: 100 * share, height: 8, fill: key === DATA.score ? COLOURS.best : COLOURS.front }));
    svg.append(make("line", { x1: 100 * low, x2: 100 * high, y1: 6, y2: 6, stroke: "#1f2933", "stroke-width": 1.2 }));
    return make("td", { class: "left" }, svg, ` ${(100 * share).toFixed(0)} % `, make("small", {}, `[${(100 * low).toFixed(0)}, ${(100 * high).toFixed(0)}]`));
  };
  by("importance").replaceChildren(...DATA.importance.map(row => make("tr", {}, make("td", {}, row.label), bar(row, DATA.score), bar(row, cost))));
}

// ---- start

function options(select, chosen, keys) {
  select.replaceChildren(...keys.map(key => make("option", key === chosen ? { value: key, selected: "" } : { value: key }, axis(QUANTITIES[key]))));
}

function save() {
  const svg = by("front").querySelector("svg").cloneNode(true);
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  make("a", { download: `front_${DATA.name}.svg`, href: "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg.outerHTML) }).click();
}

function draw() {
  drawFront();
  drawProgress();
  drawCurves();
  drawGrowth();
}

for (const name of ["x", "y"]) {
  options(by(name), state[name], KEYS);
  by(name).addEventListener("change", event => { state[name] = event.target.value; remember(); drawFront(); });
}
by("values").value = state.values;
by("values").disabled = !HAS_CONFIRMED;
by("values").addEventListener("change", event => { state.values = event.target.value; remember(); drawFront(); });
by("save").addEventListener("click", save);
if (DATA.importance.length) {
  const costs = KEYS.filter(key => DATA.importance[0].shares[key] && QUANTITIES[key].cost);
  options(by("cost"), costs.includes(DATA.x) ? DATA.x : costs[0], costs);
  by("cost").addEventListener("change", drawImportance);
  drawImportance();
}
draw();
detail();
window.addEventListener("resize", draw);
