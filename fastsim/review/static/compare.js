// Two to four files beside each other or over each other, with one zoom for all.
import { api, attempt } from "./api.js";
import { byId, date, inBytes, make, notify, pixels } from "./dom.js";

const BLINK = 700;
const at = { files: [], actions: null, mode: "side", zoom: 1, x: 0.5, y: 0.5, swipe: 0.5, front: 0, timer: 0, pairs: new Map(), images: [], strong: false };

export function isComparing() {
  return !byId("compare").hidden;
}

export function openCompare(files, actions) {
  const isOpen = isComparing();
  Object.assign(at, { files, actions, zoom: 1, x: 0.5, y: 0.5, front: 0, pairs: new Map() });
  if (!isOpen) at.mode = "side";
  byId("compare").hidden = false;
  for (const rest of [document.querySelector("header"), byId("main")]) rest.inert = true;
  draw();
  loadFacts();
  if (!isOpen) byId("compare-close").focus();
}

export function closeCompare() {
  clearInterval(at.timer);
  byId("compare").hidden = true;
  for (const rest of [document.querySelector("header"), byId("main")]) rest.inert = false;
  byId("compare").replaceChildren();
  at.images = [];
  at.actions?.closed();
}

function draw() {
  const box = byId("compare");
  const button = (id, text, title, action, pressed) => make("button", { type: "button", id, title, "aria-pressed": pressed === undefined ? undefined : String(pressed), onclick: action }, text);
  const modes = [["side", "Side by side", "Side by side (Esc, or the key of the mode again)"], ["blink", "Blink", "Blink (b)"], ["swipe", "Swipe", "Swipe (s)"], ["difference", "Difference", "Difference (d)"]];
  const stage = make("div", { class: `stage by-${at.mode}`, id: "stage" });
  box.replaceChildren(
    make("div", { class: "bar" },
      make("span", { class: "segmented", role: "group", "aria-label": "How to compare" }, ...modes.map(([mode, text, title]) => button(`mode-${mode}`, text, title, () => setMode(mode), at.mode === mode))),
      button("one-to-one", "1:1", "One pixel of the largest file for one of the screen (z)", oneToOne, at.zoom > 1),
      at.mode === "difference" ? button("strong", "\u00d78", "Differences eight times as strong", () => { at.strong = !at.strong; draw(); }, at.strong) : null,
      make("span", { class: "count", id: "zoom-value" }),
      make("span", { class: "spring" }),
      button("compare-before", "\u2039 Group", "Previous group (k)", () => at.actions.next(-1)),
      button("compare-next", "Group \u203a", "Next group (j)", () => at.actions.next(1)),
      button("compare-decide", "Decide, next", "Decide and go on (Enter)", () => at.actions.decide()),
      button("compare-close", "Close", "Close (Esc)", closeCompare)),
    stage,
    make("div", { class: "table", id: "compare-table", tabindex: "0", "aria-label": "What is known of the files" }));
  at.images = [];
  if (at.mode === "side") stage.append(...at.files.map((file, i) => pane([file], i)));
  else stage.append(pane(at.files.slice(0, at.mode === "blink" ? at.files.length : 2), 0));
  clearInterval(at.timer);
  if (at.mode === "blink") at.timer = setInterval(() => { at.front = (at.front + 1) % at.files.length; arrange(); }, BLINK);
  table();
  requestAnimationFrame(arrange);
}

// A frame with one picture, or with several over each other.
function pane(files, number) {
  const frame = make("div", { class: "pane" });
  files.forEach((file, layer) => {
    const image = make("img", { alt: `${file.name}, ${file.keep ? "stays" : "goes"}`, class: "picture", draggable: false });
    image.file = file;
    image.layer = layer;
    image.frame = frame;
    frame.append(image);
    at.images.push(image);
    image.src = api.full(file);
    // Shown only when it is whole: an earlier picture must never stand under this file's name.
    image.decode().then(() => { image.classList.add("loaded"); arrange(); }).catch(() => image.classList.add("loaded"));
  });
  const names = at.mode === "side" ? [files[0]] : files;
  const labels = names.map((file, i) => make("button", { type: "button", class: `label ${file.keep ? "keep" : "go"}`, title: `Stays or goes (${number + i + 1})`, onclick: () => toggleFile(file) }, make("b", {}, file.keep ? "\u2713 stays" : "\u00d7 goes"), ` ${file.name}`));
  frame.append(make("div", { class: "labels" }, ...labels));
  if (at.mode === "swipe") frame.append(make("div", { class: "line" }));
  listen(frame);
  return frame;
}

function listen(frame) {
  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomTo(at.zoom * Math.exp(-event.deltaY * 0.0015), frame, event);
  }, { passive: false });
  frame.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return;
    frame.setPointerCapture(event.pointerId);
    let [x, y] = [event.clientX, event.clientY];
    const move = (moved) => {
      if (at.mode === "swipe" && at.zoom === 1) return;
      const box = fitted(at.images.find((image) => image.frame === frame));
      at.x = clamp(at.x - (moved.clientX - x) / (box.width * at.zoom));
      at.y = clamp(at.y - (moved.clientY - y) / (box.height * at.zoom));
      [x, y] = [moved.clientX, moved.clientY];
      arrange();
    };
    frame.addEventListener("pointermove", move);
    frame.addEventListener("pointerup", () => frame.removeEventListener("pointermove", move), { once: true });
  });
  frame.addEventListener("pointermove", (event) => {
    if (at.mode !== "swipe" || (event.buttons && at.zoom > 1)) return;
    const box = frame.getBoundingClientRect();
    at.swipe = clamp((event.clientX - box.left) / box.width);
    arrange();
  });
}

function clamp(value) {
  return Math.max(0, Math.min(1, value));
}

function fitted(image) {
  const { clientWidth: width, clientHeight: height } = image.frame;
  const [w, h] = [image.naturalWidth || 4, image.naturalHeight || 3];
  const scale = Math.min(width / w, height / h);
  return { width: w * scale, height: h * scale, scale };
}

function zoomTo(zoom, frame, event) {
  const image = at.images.find((one) => one.frame === frame);
  const next = Math.max(1, Math.min(64, zoom));
  if (event && image) {
    const outer = frame.getBoundingClientRect();
    const box = fitted(image);
    const dx = (event.clientX - outer.left - outer.width / 2) / box.width;
    const dy = (event.clientY - outer.top - outer.height / 2) / box.height;
    at.x = clamp(at.x + dx / at.zoom - dx / next);
    at.y = clamp(at.y + dy / at.zoom - dy / next);
  }
  at.zoom = next;
  if (next === 1) Object.assign(at, { x: 0.5, y: 0.5 });
  arrange();
}

function oneToOne() {
  const scales = at.images.filter((image) => image.naturalWidth).map((image) => 1 / (fitted(image).scale * window.devicePixelRatio));
  zoomTo(at.zoom > 1.001 ? 1 : Math.max(1.0001, ...scales));
}

function arrange() {
  for (const image of at.images) {
    const box = fitted(image);
    image.style.width = `${box.width}px`;
    image.style.height = `${box.height}px`;
    const { clientWidth: width, clientHeight: height } = image.frame;
    const laid = aligned(image, box);
    const outer = laid ? fitted(at.images.find((one) => one.layer === 0)) : box;
    const left = width / 2 - at.x * outer.width * at.zoom;
    const top = height / 2 - at.y * outer.height * at.zoom;
    image.style.transform = `translate(${left}px, ${top}px) scale(${at.zoom})${laid}`;
    image.style.imageRendering = at.zoom * box.scale * window.devicePixelRatio > 3 ? "pixelated" : "auto";
    image.style.visibility = at.mode === "blink" && image.layer !== at.front ? "hidden" : "visible";
    image.style.clipPath = "";
    const edge = (at.swipe * width - left) / (outer.width * at.zoom);
    if (at.mode === "swipe" && image.layer === 1 && !laid) image.style.clipPath = `inset(0 0 0 ${100 * clamp(edge)}%)`;
    if (at.mode === "swipe" && image.layer === 0 && at.images.some((one) => one.layer === 1 && aligned(one, fitted(one)))) {
      image.style.zIndex = "1";  // what is turned can't be cut along the line: the lower one is cut, and lies above
      image.style.clipPath = `inset(0 ${100 * (1 - clamp(edge))}% 0 0)`;
    }
  }
  const line = byId("stage")?.querySelector(".line");
  if (line) line.style.left = `${100 * at.swipe}%`;
  byId("stage")?.classList.toggle("strong", at.strong);
  const shown = byId("zoom-value");
  if (shown) shown.textContent = at.mode === "blink" ? at.files[at.front]?.name ?? "" : `${Math.round(100 * at.zoom)} %`;
  byId("one-to-one")?.setAttribute("aria-pressed", String(at.zoom > 1.001));
}

// Where verification knows how the upper picture lies in the lower one, it is laid there.
function aligned(image, box) {
  if (at.mode === "side" || image.layer === 0) return "";
  const base = at.files[0];
  const pair = at.pairs.get(image.file.id);
  if (!pair?.transform || !image.naturalWidth) return "";
  const turned = pair.left !== base.id;
  const { scale, rotation, mirrored } = pair.transform;
  const [ours, theirs] = turned ? [pair.transform.right, pair.transform.left] : [pair.transform.left, pair.transform.right];
  const below = at.images.find((one) => one.layer === 0);
  const unit = fitted(below).scale * (base.width ? below.naturalWidth / base.width : 1);
  const own = box.scale * (image.file.width ? image.naturalWidth / image.file.width : 1);
  const centre = ([x, y, w, h]) => [x + w / 2, y + h / 2];
  const [bx, by] = centre(ours).map((value) => value * unit);
  const [ix, iy] = centre(theirs).map((value) => value * own);
  const factor = (turned ? scale : 1 / scale) * unit / own;
  const angle = (turned ? rotation : -rotation) * (mirrored && turned ? -1 : 1);
  return ` translate(${bx}px, ${by}px) ${mirrored ? "scaleX(-1) " : ""}rotate(${angle}deg) scale(${factor}) translate(${-ix}px, ${-iy}px)`;
}

// The table

async function loadFacts() {
  const { files } = at;
  await Promise.all(files.map(async (file, i) => {
    const [about, pair] = await Promise.all([api.about(file.id).catch(() => ({})), i ? api.pair(files[0].id, file.id).catch(() => ({})) : null]);
    file.about = about;
    if (pair?.score !== undefined) at.pairs.set(file.id, pair);
  }));
  if (files !== at.files || !isComparing()) return;
  table();
  arrange();
}

function table() {
  const { files } = at;
  const most = (values) => { const best = Math.max(...values); return values.map((value) => values.length > 1 && value === best && values.some((other) => other < best)); };
  const row = (name, texts, better = []) => make("tr", {}, make("th", { scope: "row" }, name),
    ...texts.map((text, i) => make("td", { class: better[i] ? "better" : "" }, text, better[i] ? make("span", { class: "hidden" }, " (better)") : null)));
  const words = (file) => {
    const pair = at.pairs.get(file.id);
    if (!pair) return "";
    return [pair.status === undefined ? "" : { copy: "copy", different: "different picture", unknown: "could not be decided" }[pair.status], pair.words].filter(Boolean).join(": ");
  };
  const keys = [...new Set(files.flatMap((file) => Object.keys(file.about ?? {})))];
  const rows = [
    row("Pixels", files.map((file) => pixels(file) || "?"), most(files.map((file) => file.width * file.height))),
    row("Bytes", files.map((file) => inBytes(file.bytes)), most(files.map((file) => file.bytes))),
    row("Format", files.map((file) => file.form + (file.frames ? `, ${file.frames} frames` : ""))),
    row("Modified", files.map((file) => date(file.date)), most(files.map((file) => -file.date))),
    row("Folder", files.map((file) => file.folder)),
    row("Score", files.map((file, i) => (i ? at.pairs.get(file.id)?.score.toFixed(4) ?? "below the floor" : "1"))),
  ];
  if (files.some(words)) rows.push(row("Verification", files.map(words)));
  if (files.some((file) => file.damage)) rows.push(row("Damage", files.map((file) => file.damage ?? "")));
  rows.push(...keys.map((key) => row(key[0].toUpperCase() + key.slice(1), files.map((file) => file.about?.[key] ?? ""), most(files.map((file) => (file.about?.[key] ? 1 : 0))))));
  const head = make("tr", {}, make("td"), ...files.map((file, i) => make("th", { scope: "col", class: file.keep ? "keep" : "go" }, `${i + 1}  ${file.name}`)));
  byId("compare-table")?.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
}

async function toggleFile(file) {
  const fresh = await attempt(() => at.actions.toggle(file));
  if (!fresh) return;
  const place = at.files.indexOf(file);
  at.files[place] = { ...fresh, about: file.about };
  notify(`${fresh.name} ${fresh.keep ? "stays" : "goes"}`);
  draw();
}

function setMode(mode) {
  if (mode !== "side" && at.files.length < 2) return;
  at.mode = at.mode === mode ? "side" : mode;
  at.front = 0;
  draw();
}

export function compareKey(event) {
  if (/^[1-4]$/.test(event.key) && at.files[Number(event.key) - 1]) { toggleFile(at.files[Number(event.key) - 1]); return true; }
  const pan = 0.08 / at.zoom;
  const step = { ArrowLeft: [-pan, 0], ArrowRight: [pan, 0], ArrowUp: [0, -pan], ArrowDown: [0, pan] }[event.key];
  if (step) {
    if (at.mode === "swipe" && at.zoom === 1) at.swipe = clamp(at.swipe + Math.sign(step[0]) * 0.05);
    else Object.assign(at, { x: clamp(at.x + step[0]), y: clamp(at.y + step[1]) });
    arrange();
    return true;
  }
  const actions = {
    Escape: () => (at.mode === "side" ? closeCompare() : setMode("side")), c: closeCompare, b: () => setMode("blink"), s: () => setMode("swipe"), d: () => setMode("difference"), z: oneToOne,
    "+": () => zoomTo(at.zoom * 1.5), "-": () => zoomTo(at.zoom / 1.5), j: () => at.actions.next(1), k: () => at.actions.next(-1), Enter: () => at.actions.decide(),
  };
  if (!(event.key in actions)) return false;
  actions[event.key]();
  return true;
}

window.addEventListener("resize", () => { if (isComparing()) arrange(); });
