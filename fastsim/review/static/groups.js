// The groups: a list of which only what can be seen is in the page.
import { api, attempt } from "./api.js";
import { byId, date, inBytes, make, notify, number, pixels, plural, speak } from "./dom.js";
import { look, onChange, state, update } from "./state.js";
import { openCompare } from "./compare.js";

const SIDE = 168;
const GAP = 8;
const CAPTION = 40;
const MOST_LINES = 4;
const CHUNK = 40;
const AHEAD = 500;
const FAST = 4;

const list = {
  sizes: [], offsets: [0], rows: new Map(), elements: new Map(), wanted: new Set(), expanded: new Set(),
  active: { row: 0, file: 0 }, columns: 6, cell: 180, scroller: null, canvas: null, stamp: "", speed: 0, top: 0, time: 0,
};

export function groupsScreen() {
  const canvas = make("div", { class: "canvas", role: "rowgroup" });
  const scroller = make("div", { class: "scroller", role: "grid", "aria-label": "Groups", "aria-describedby": "grid-help" }, canvas);
  Object.assign(list, { scroller, canvas });
  scroller.addEventListener("scroll", onScroll, { passive: true });
  new ResizeObserver(() => { measure(); place(); }).observe(scroller);
  const help = make("p", { class: "hidden", id: "grid-help" }, "j and k change the group, h and l the file, digits toggle what stays, Enter decides.");
  const empty = make("div", { class: "empty", id: "empty", hidden: true });
  const hints = make("footer", { class: "hints", "aria-hidden": "true" }, ...hintKeys());
  requestAnimationFrame(() => { measure(); reload(); });
  return [toolbar(), help, empty, scroller, hints];
}

function hintKeys() {
  const keys = [["j k", "group"], ["h l", "file"], ["1-9", "keep or not"], ["x", "best only"], ["a", "keep all"], ["n", "not a duplicate"],
    ["Enter", "decide, next"], ["c", "compare"], ["u", "undo"], ["/", "filter"], ["?", "all keys"]];
  return keys.map(([key, what]) => make("span", {}, make("kbd", {}, key), ` ${what}`));
}

// The bar above the groups

function toolbar() {
  const { view, summary } = state;
  const filter = make("input", { type: "search", id: "filter", placeholder: "Filter by path  ( / )", "aria-label": "Filter by path", value: view.text, spellcheck: "false", autocomplete: "off" });
  let timer = 0;
  filter.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => look({ text: filter.value }), 180); });
  const choice = (id, label, values, chosen, take) => make("select", { id, "aria-label": label, title: label, onchange: (event) => take(event.target.value) },
    ...values.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
  const forms = [["", "Any format"], ...summary.forms.map((form) => [form, form])];
  const sorts = [["bytes", "Bytes to gain"], ["score", "Score"], ["size", "Files"], ["folder", "Folder"], ["date", "Date"]];
  const states = [["all", "All groups"], ["undecided", "Undecided"], ["decided", "Decided"], ["changed", "Chosen by hand"], ["blocked", "Lose every copy"]];
  return make("div", { class: "bar", role: "toolbar", "aria-label": "Which groups" },
    ...(api.isStatic ? [] : [slider()]),
    choice("state", "Show", states, view.state, (value) => look({ state: value })),
    choice("form", "Format", forms, view.form, (value) => look({ form: value })),
    filter,
    make("span", { class: "joined" },
      choice("sort", "Sort by", sorts, view.sort, (value) => look({ sort: value })),
      make("button", { type: "button", id: "down", title: "Reverse the order", "aria-label": "Reverse the order", onclick: () => look({ down: view.down ? 0 : 1 }) }, view.down ? "\u2193" : "\u2191")),
    make("span", { class: "count", id: "shown-count" }),
    make("button", { type: "button", id: "accept", title: "Decide all groups that are shown, as they stand", onclick: acceptAll }, "Decide all shown"),
  );
}

function slider() {
  const { summary } = state;
  const value = make("output", { for: "thres", id: "thres-value" }, summary.thres.toFixed(3));
  const range = make("input", { type: "range", id: "thres", min: String(summary.floor), max: "1", step: "0.005", value: String(summary.thres), "aria-label": "Threshold", list: "" });
  let timer = 0;
  range.addEventListener("input", () => {
    value.textContent = Number(range.value).toFixed(3);
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const told = await attempt(() => api.rules({ thres: Number(range.value) }));
      if (told) { update(told); look(); }
    }, 90);
  });
  return make("label", { class: "threshold", title: "Similar from this score on; takes effect on stored pairs at once" }, "Threshold",
    make("span", { class: "range" }, histogram(summary), range), value);
}

function histogram({ histogram: bins }) {
  const most = Math.log1p(Math.max(1, ...bins));
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", `0 0 ${bins.length} 10`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  bins.forEach((count, i) => {
    const bar = document.createElementNS(space, "rect");
    const height = 10 * Math.log1p(count) / most;
    for (const [name, at] of [["x", i + 0.1], ["y", 10 - height], ["width", 0.8], ["height", height]]) bar.setAttribute(name, at);
    picture.append(bar);
  });
  return picture;
}

async function acceptAll() {
  const many = list.sizes.length;
  if (many > 1 && !window.confirm(`Decide ${plural(many, "group")} as they stand? Undo takes it back in one step.`)) return;
  const told = await attempt(() => api.decide({ accept: state.view }));
  if (!told) return;
  update(told);
  notify(`Decided ${plural(many, "group")}`);
  refreshRows();
}

// Sizes and places

function measure() {
  const width = Math.max(320, list.scroller.clientWidth - SIDE - 2 * GAP);
  list.columns = Math.max(2, Math.min(8, Math.floor(width / 158)));
  list.cell = Math.floor(width / list.columns);
  document.documentElement.style.setProperty("--cell", `${list.cell - GAP}px`);
  document.documentElement.style.setProperty("--thumb", `${thumbHeight()}px`);
  layOut();
}

function thumbHeight() {
  return Math.round((list.cell - GAP) * 0.72);
}

function heightOf(row) {
  const lines = Math.ceil(list.sizes[row] / list.columns);
  const shown = list.expanded.has(row) ? lines : Math.min(lines, MOST_LINES);
  return shown * (thumbHeight() + CAPTION + GAP) + GAP + (lines > shown ? 26 : 0);
}

function layOut() {
  list.offsets = new Float64Array(list.sizes.length + 1);
  for (let i = 0; i < list.sizes.length; i += 1) list.offsets[i + 1] = list.offsets[i] + heightOf(i);
  list.canvas.style.height = `${list.offsets[list.sizes.length]}px`;
  for (const element of list.elements.values()) element.remove();
  list.elements.clear();
}

function rowAt(y) {
  let low = 0;
  let high = list.sizes.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (list.offsets[middle] <= y) low = middle; else high = middle - 1;
  }
  return low;
}

// Loading and drawing

export async function reload(keepPlace = false) {
  if (!list.scroller) return;
  const { stamp } = state.view;
  list.stamp = stamp;
  const page = await attempt(() => api.rows(state.view, 0, CHUNK, true));
  if (!page || stamp !== state.view.stamp) return;
  list.sizes = page.sizes;
  list.rows = new Map(page.rows.map((row, i) => [i, row]));
  list.wanted.clear();
  list.expanded.clear();
  if (!keepPlace) { list.active = { row: 0, file: 0 }; list.scroller.scrollTop = 0; }
  list.active.row = Math.min(list.active.row, Math.max(0, list.sizes.length - 1));
  list.scroller.setAttribute("aria-rowcount", String(list.sizes.length));
  byId("shown-count").textContent = plural(list.sizes.length, "group");
  const empty = byId("empty");
  empty.hidden = list.sizes.length > 0;
  empty.textContent = state.summary.groups ? "No group fits these filters." : "No groups: nothing here is similar at this threshold.";
  layOut();
  place();
  performance.mark("fastsim-painted");
}

// What was decided has changed: the rows are asked for again, in the same order.
export function refreshRows() {
  const seen = [...list.elements.keys()];
  for (const row of list.rows.keys()) if (!list.elements.has(row)) list.rows.delete(row);
  list.wanted.clear();
  if (seen.length) fetchRows(Math.min(...seen), Math.max(...seen));
}

let scheduled = false;

function onScroll() {
  const now = performance.now();
  const top = list.scroller.scrollTop;
  list.speed = Math.abs(top - list.top) / Math.max(1, now - list.time);
  list.top = top;
  list.time = now;
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => { scheduled = false; place(); });
}

let settled = 0;

function place() {
  if (!list.scroller?.isConnected || !list.sizes.length) return;
  const top = list.scroller.scrollTop;
  const bottom = top + list.scroller.clientHeight;
  const first = rowAt(Math.max(0, top - AHEAD));
  const last = rowAt(bottom + AHEAD);
  for (const [row, element] of list.elements) {
    if ((row < first || row > last) && row !== list.active.row) { element.remove(); list.elements.delete(row); }
  }
  const missing = [];
  for (let row = first; row <= last; row += 1) {
    const data = list.rows.get(row);
    if (!data) missing.push(row);
    const element = list.elements.get(row);
    if (element && element.data === data) continue;
    const fresh = data ? groupRow(row, data) : skeleton(row);
    fresh.data = data;
    if (element) { keepFocus(element, fresh); element.replaceWith(fresh); } else list.canvas.append(fresh);
    list.elements.set(row, fresh);
  }
  if (missing.length) fetchRows(missing[0], missing[missing.length - 1]);
  clearTimeout(settled);
  if (list.speed > FAST) settled = setTimeout(() => { list.speed = 0; showPictures(); }, 90);
  else showPictures();
}

// While the list flies by, no picture is asked for.
function showPictures() {
  for (const picture of list.canvas.querySelectorAll("img[data-src]")) {
    picture.src = picture.dataset.src;
    picture.removeAttribute("data-src");
  }
}

async function fetchRows(first, last) {
  const start = Math.floor(first / CHUNK) * CHUNK;
  const stop = Math.min(list.sizes.length, (Math.floor(last / CHUNK) + 1) * CHUNK);
  const key = `${start}-${stop}`;
  if (list.wanted.has(key)) return;
  list.wanted.add(key);
  const { stamp } = state.view;
  const page = await attempt(() => api.rows(state.view, start, stop));
  list.wanted.delete(key);
  if (!page || stamp !== state.view.stamp) return;
  page.rows.forEach((row, i) => list.rows.set(page.from + i, row));
  place();
}

function positioned(element, row) {
  element.style.transform = `translateY(${list.offsets[row]}px)`;
  element.style.height = `${list.offsets[row + 1] - list.offsets[row]}px`;
  return element;
}

function skeleton(row) {
  return positioned(make("div", { class: "group waiting", role: "row", "aria-rowindex": String(row + 1) }), row);
}

const STATES = {
  undecided: "undecided", decided: "decided", changed: "decided by hand", blocked: "loses every copy", apart: "not duplicates",
};

function groupRow(row, data) {
  const isActive = row === list.active.row;
  const shown = list.expanded.has(row) ? data.files.length : Math.min(data.files.length, MOST_LINES * list.columns);
  const kept = data.files.filter((file) => file.keep).length;
  const folders = [...new Set(data.files.map((file) => (file.folder === "." ? "" : file.folder)))].filter(Boolean);
  const side = make("div", { class: "side", role: "rowheader" },
    make("span", { class: "state" }, STATES[data.state]),
    make("span", { class: "big" }, data.gain ? inBytes(data.gain) : "\u2013", make("small", {}, data.gain ? " to gain" : " to gain")),
    make("span", {}, `${kept} of ${data.files.length} stay`),
    make("span", {}, `score ${data.score.toFixed(3)}`),
    make("span", { class: "where", title: folders.join("\n") }, folders.length > 1 ? `${folders.length} folders` : folders[0] ?? ""),
    make("span", { class: "actions" },
      make("button", { type: "button", tabindex: "-1", title: "Decide as it stands (Enter)", onclick: () => { select(row, 0); decide(); } }, data.state === "undecided" ? "Decide" : "Decided \u2713"),
      make("button", { type: "button", tabindex: "-1", title: "Compare (c)", onclick: () => { select(row, list.active.row === row ? list.active.file : 0); compare(); } }, "Compare")),
  );
  const files = make("div", { class: "files", role: "none" }, ...data.files.slice(0, shown).map((file, i) => fileCell(row, i, file, isActive && i === list.active.file)));
  if (shown < data.files.length) {
    files.append(make("button", { type: "button", class: "more", onclick: () => expand(row) }, `Show ${number(data.files.length - shown)} more`));
  }
  const label = `Group ${row + 1}, ${plural(data.files.length, "file")}, ${STATES[data.state]}, ${inBytes(data.gain)} to gain`;
  return positioned(make("div", { class: `group ${data.state}${isActive ? " active" : ""}`, role: "row", "aria-rowindex": String(row + 1), "aria-label": label }, side, files), row);
}

function fileCell(row, i, file, isActive) {
  const picture = make("img", { alt: "", decoding: "async", draggable: false, width: list.cell - GAP, height: thumbHeight() });
  const wide = (list.cell - GAP) * window.devicePixelRatio > 200;
  picture.dataset.src = api.thumb(file, wide ? 320 : 160);
  picture.addEventListener("load", () => picture.classList.add("loaded"));
  const facts = [pixels(file), inBytes(file.bytes)].filter(Boolean).join("  ");
  const went = { move: "moved", trash: "in the trash", delete: "deleted" }[file.went?.split(" ")[0]];
  const note = file.went ? went : file.problem || file.damage ? (file.problem || "damaged") : file.single ? "not a duplicate" : file.reference ? "reference" : file.rule ? file.why : file.score.toFixed(3);
  const place = file.reference ? "reference folder" : "";
  const stays = file.keep ? "stays" : "goes";
  const label = `${i + 1}: ${file.name}, ${pixels(file).replace("\u00d7", " by ")}, ${inBytes(file.bytes)}, ${file.form}, ${stays}${note ? `, ${note}` : ""}`;
  return make("div", {
    class: `file ${file.keep ? "keep" : "go"}${isActive ? " current" : ""}${file.own && file.keep !== file.rule ? " own" : ""}${file.went ? " went" : ""}${file.problem ? " wrong" : ""}`,
    role: "gridcell", tabindex: isActive ? "0" : "-1", "aria-selected": file.keep ? "true" : "false", "aria-label": label,
    title: `${file.folder === "." ? "" : `${file.folder}/`}${file.name}\n${facts}  ${file.form}\n${date(file.date)}${file.frames ? `\n${file.frames} frames` : ""}${file.why ? `\n${file.why}` : ""}${place ? `\n${place}` : ""}${file.went ? `\n${file.went}` : ""}`,
    onclick: () => { select(row, i); toggle(i); },
    ondblclick: () => { toggle(i); compare(); },
    onfocus: () => { if (list.active.row !== row || list.active.file !== i) select(row, i, false); },
  },
  make("span", { class: "picture" }, picture, make("span", { class: "mark" }, file.keep ? "\u2713" : "\u00d7"), i < 9 ? make("span", { class: "digit" }, String(i + 1)) : null),
  make("span", { class: "name" }, file.name),
  make("span", { class: "facts" }, make("span", {}, facts), make("span", { class: "note" }, note)));
}

function expand(row) {
  list.expanded.add(row);
  layOut();
  place();
}

function keepFocus(before, after) {
  if (!before.contains(document.activeElement)) return;
  requestAnimationFrame(() => after.querySelector(".file.current")?.focus({ preventScroll: true }));
}

// Where the keyboard is

export function select(row, file, focus = true) {
  if (!list.sizes.length) return;
  const before = list.active.row;
  list.active = { row: Math.max(0, Math.min(row, list.sizes.length - 1)), file };
  const data = list.rows.get(list.active.row);
  if (data) list.active.file = Math.max(0, Math.min(file, data.files.length - 1));
  for (const one of new Set([before, list.active.row])) {
    const element = list.elements.get(one);
    if (element) { element.remove(); list.elements.delete(one); }
  }
  if (focus) bringIntoView();
  place();
  if (focus) list.elements.get(list.active.row)?.querySelector(".file.current")?.focus({ preventScroll: true });
}

function bringIntoView() {
  const top = list.offsets[list.active.row];
  const bottom = list.offsets[list.active.row + 1];
  const { scroller } = list;
  if (top < scroller.scrollTop) scroller.scrollTop = Math.max(0, top - GAP);
  else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = Math.min(top, bottom - scroller.clientHeight + GAP);
}

function current() {
  return list.rows.get(list.active.row);
}

function idsOf(data) {
  return data.files.map((file) => file.id);
}

// Decisions

async function send(body, words) {
  const { row } = list.active;
  const data = current();
  if (!data) return null;
  const told = await attempt(() => api.decide({ ...body, row: idsOf(data) }));
  if (!told) return null;
  list.rows.set(row, told.row);
  update(told);
  place();
  if (words) speak(words(told.row));
  return told.row;
}

export function toggle(i) {
  const file = current()?.files[i];
  if (!file) return;
  send({ keep: { [file.id]: !file.keep } }, () => `${file.name} ${file.keep ? "goes" : "stays"}`);
}

async function decide() {
  const data = current();
  if (!data) return;
  const answer = send({ done: idsOf(data) }, () => "Decided");
  select(list.active.row + 1, 0);  // at once: the next key is meant for the next group
  const done = await answer;
  if (done?.state === "blocked") notify("This group would lose every copy. Confirm that under Finish.", true);
}

function keepAll() {
  const data = current();
  if (data) send({ keep: Object.fromEntries(data.files.map((file) => [file.id, true])) }, () => "All stay");
}

function keepBest() {
  const data = current();
  if (!data) return;
  const best = data.files[0];
  send({ keep: Object.fromEntries(data.files.map((file) => [file.id, file === best || Boolean(file.reference)])) }, () => `${best.name} stays alone`);
}

function setApart(whole) {
  const data = current();
  const file = data?.files[list.active.file];
  if (!file) return;
  const pairs = [];
  data.files.forEach((one, i) => {
    data.files.slice(i + 1).forEach((other) => { if (whole || one === file || other === file) pairs.push([one.id, other.id]); });
  });
  send({ apart: pairs }, () => (whole ? "These are not duplicates" : `${file.name} is not a duplicate`)).then((row) => {
    if (row) notify(whole ? "Remembered: these are not duplicates" : `Remembered: ${file.name} is not a duplicate`);
  });
}

export async function undoLast() {
  const told = await attempt(() => api.undo());
  if (!told) return;
  update(told);
  notify(told.undone ? `Taken back: ${told.undone}` : "Nothing to take back");
  refreshRows();
}

export function compare() {
  const data = current();
  if (!data) return;
  const chosen = data.files[list.active.file] ?? data.files[0];
  const others = data.files.filter((file) => file !== chosen).sort((a, b) => Number(b.id === chosen.keeper) - Number(a.id === chosen.keeper));
  openCompare([chosen, ...others.slice(0, 3)], {
    toggle: async (file) => {
      const at = current().files.findIndex((one) => one.id === file.id);
      const row = await send({ keep: { [file.id]: !current().files[at].keep } });
      return row?.files[at];
    },
    next: (step) => { select(list.active.row + step, 0); waitForRow(compare); },
    decide: async () => { await decide(); waitForRow(compare); },
    closed: () => list.elements.get(list.active.row)?.querySelector(".file.current")?.focus({ preventScroll: true }),
  });
}

function waitForRow(then, tries = 40) {
  if (current()) then(); else if (tries) setTimeout(() => waitForRow(then, tries - 1), 50);
}

export function groupsKey(event) {
  const { row, file } = list.active;
  const columns = { j: [row + 1, 0], k: [row - 1, 0], ArrowDown: [row + 1, 0], ArrowUp: [row - 1, 0], h: [row, file - 1], l: [row, file + 1], ArrowLeft: [row, file - 1], ArrowRight: [row, file + 1],
    Home: [0, 0], End: [list.sizes.length - 1, 0], PageDown: [rowAt(list.scroller.scrollTop + list.scroller.clientHeight), 0], PageUp: [rowAt(Math.max(0, list.scroller.scrollTop - list.scroller.clientHeight)), 0] };
  if (event.key in columns) { select(...columns[event.key]); return true; }
  if (/^[1-9]$/.test(event.key)) { toggle(Number(event.key) - 1); return true; }
  const actions = { a: keepAll, x: keepBest, n: () => setApart(false), N: () => setApart(true), Enter: decide, c: compare, u: undoLast, " ": () => toggle(file), "/": () => byId("filter").focus(), r: () => look() };
  if (!(event.key in actions)) return false;
  actions[event.key]();
  return true;
}

onChange((what) => {
  if (state.screen !== "groups") return;
  if (what === "view") reload();
  if (what === "elsewhere") refreshRows();
});
