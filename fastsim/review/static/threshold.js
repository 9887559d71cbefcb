// Which threshold: how many pairs have each score, what each threshold would remove, and the pairs nearest to it.
import { api, attempt } from "./api.js";
import { openCompare } from "./compare.js";
import { byId, make, notify, number, pixels, plural } from "./dom.js";
import { look, state, update } from "./state.js";

const SPACE = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, PAD] = [760, 220, 24];
let told = null;
let timer = 0;

export function thresholdScreen() {
  const { summary } = state;
  const range = make("input", { type: "range", id: "look-at", min: String(summary.floor), max: "1", step: "0.005", value: String(summary.thres), "aria-label": "Threshold to look at", oninput: () => { clearTimeout(timer); draw(); timer = setTimeout(load, 120); } });
  requestAnimationFrame(load);
  return [make("div", { class: "panel one" },
    make("section", { class: "chart", "aria-labelledby": "threshold-title" },
      make("h2", { id: "threshold-title" }, "Which pairs count as similar"),
      make("p", { class: "lead" }, "Bars: pairs by score, on a logarithmic scale. Line: files in groups beyond the first of each. Move the mark to where copies end and look-alikes begin; the pairs below are the nearest to it."),
      make("div", { id: "chart" }), range,
      make("div", { class: "actions" }, make("output", { id: "at-words" }), make("button", { type: "button", class: "primary", id: "take", onclick: take }, "Use this threshold"))),
    make("section", { "aria-labelledby": "borderline-title" }, make("h2", { id: "borderline-title" }, "Are these duplicates?"), make("div", { id: "borderline", "aria-live": "polite" })))];
}

function chosen() {
  return Number(byId("look-at")?.value ?? state.summary.thres);
}

async function load() {
  const found = await attempt(() => api.threshold(chosen()));
  if (!found || !byId("borderline")) return;
  told = found;
  draw();
  byId("borderline").replaceChildren(...told.pairs.map(pairCard));
  if (!told.pairs.length) byId("borderline").append(make("p", { class: "quiet" }, "No stored pair is left."));
}

function draw() {
  if (!told || !byId("chart")) return;
  const picture = document.createElementNS(SPACE, "svg");
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "Pairs by score, and files that each threshold would remove");
  const low = state.summary.floor;
  const x = (score) => PAD + (WIDTH - 2 * PAD) * (score - low) / Math.max(1e-6, 1 - low);
  const part = (name, values, text) => {
    const element = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    picture.append(element);
    return element;
  };
  const most = Math.log1p(Math.max(1, ...told.histogram));
  const inner = HEIGHT - 2 * PAD;
  told.histogram.forEach((count, i) => {
    const height = inner * Math.log1p(count) / most;
    const left = x(told.curve[i]?.[0] ?? 1);
    part("rect", { class: "bar-of", x: left + 0.5, y: HEIGHT - PAD - height, width: Math.max(1, (WIDTH - 2 * PAD) / told.histogram.length - 1), height });
  });
  const removable = told.curve.map(([thres, , groups, files]) => [thres, files - groups]);
  const top = Math.max(1, ...removable.map(([, files]) => files));
  part("polyline", { class: "curve-of", points: removable.map(([thres, files]) => `${x(thres)},${HEIGHT - PAD - inner * files / top}`).join(" ") });
  part("text", { class: "tick", x: WIDTH - PAD, y: PAD - 8, "text-anchor": "end" }, `at most ${number(top)} files`);
  for (let score = Math.ceil(low * 20) / 20; score <= 1.0001; score += 0.05) part("text", { class: "tick", x: x(score), y: HEIGHT - 6, "text-anchor": "middle" }, score.toFixed(2));
  part("line", { class: "mark-of", x1: x(chosen()), x2: x(chosen()), y1: PAD, y2: HEIGHT - PAD });
  byId("chart").replaceChildren(picture);
  const row = told.curve.findLast(([thres]) => thres <= chosen() + 1e-9) ?? [chosen(), 0, 0, 0, 0];
  byId("at-words").textContent = `${chosen().toFixed(3)}: ${plural(row[1], "pair")}, ${plural(row[2], "group")}, ${plural(row[3] - row[2], "file")} could go, largest group ${number(row[4])}`;
}

function pairCard(pair) {
  const figures = pair.files.map((file) => make("figure", {}, make("img", { src: api.thumb(file, 320), alt: "", loading: "lazy" }), make("figcaption", { title: `${file.folder}/${file.name}` }, file.name, make("small", {}, ` ${pixels(file)}`))));
  const compare = () => openCompare([...pair.files], { toggle: async () => null, next: () => {}, decide: () => {}, closed: () => {} });
  const apart = async () => {
    const answer = await attempt(() => api.decide({ apart: [pair.files.map((file) => file.id)] }));
    if (!answer) return;
    update(answer);
    look();
    notify("Remembered: not a duplicate");
    load();
  };
  return make("div", { class: `borderline ${pair.score >= chosen() ? "in" : "out"}` },
    make("b", {}, pair.score.toFixed(3), make("small", {}, pair.score >= chosen() ? " counts" : " does not count")),
    make("button", { type: "button", class: "both", title: "Compare", "aria-label": `Compare ${pair.files.map((file) => file.name).join(" and ")}`, onclick: compare }, ...figures),
    make("button", { type: "button", onclick: apart }, "Not a duplicate"));
}

async function take() {
  const answer = await attempt(() => api.rules({ thres: chosen() }));
  if (!answer) return;
  update(answer);
  look();
  notify(`The threshold is ${chosen().toFixed(3)} now`);
}
