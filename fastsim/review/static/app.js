// The page: its screens, the numbers at the top, and the keys.
import { api, attempt, saveDecisions } from "./api.js";
import { byId, inBytes, make, number } from "./dom.js";
import { changed, onChange, state, update } from "./state.js";
import { closeCompare, compareKey, isComparing } from "./compare.js";
import { finishScreen } from "./finish.js";
import { groupsKey, groupsScreen, undoLast } from "./groups.js";
import { rulesScreen } from "./rules.js";
import { thresholdScreen } from "./threshold.js";
import { framesScreen, stretchesScreen } from "./videos.js";

const SCREENS = { groups: ["Groups", groupsScreen], threshold: ["Threshold", thresholdScreen], rules: ["Rules", rulesScreen], finish: ["Finish", finishScreen] };
const KEYS = [
  ["j, k", "next, previous group"], ["h, l or arrows", "previous, next file"], ["1-9 or space", "file stays or goes"], ["a", "keep all files of the group"],
  ["x", "keep the best alone"], ["n", "the file is not a duplicate (remembered)"], ["Shift+N", "none of the group are duplicates"], ["Enter", "decide, go to the next group"], ["c", "compare; Esc closes"],
  ["b", "in compare: blink"], ["s", "in compare: swipe"], ["d", "in compare: difference"], ["z", "in compare: 1:1 or whole"], ["u", "take the last decision back"], ["/", "filter"], ["r", "sort and filter anew"],
  ["g, t, m, f", "groups, threshold, rules, finish"], ["?", "these keys"],
];

export function go(screen) {
  state.screen = screen;
  byId("main").replaceChildren(...SCREENS[screen][1]());
  for (const tab of byId("tabs").children) {
    const isChosen = tab.dataset.screen === screen;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
  }
  byId("main").setAttribute("aria-labelledby", `tab-${screen}`);
}

function tabs() {
  const names = api.isStatic ? ["groups"] : Object.keys(SCREENS);
  byId("tabs").replaceChildren(...names.map((name) => make("button", {
    type: "button", role: "tab", id: `tab-${name}`, "data-screen": name, "aria-controls": "main", onclick: () => go(name),
    onkeydown: (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.stopPropagation();
      const next = names[(names.indexOf(name) + step + names.length) % names.length];
      go(next);
      byId(`tab-${next}`).focus();
    },
  }, SCREENS[name][0])));
}

function numbers() {
  const { summary } = state;
  byId("counted").textContent = `${number(summary.decided)} of ${number(summary.groups)} decided`;
  byId("saving").textContent = `${number(summary.going)} files, ${inBytes(summary.bytes)} could go`;
  const meter = byId("meter");
  meter.setAttribute("aria-valuemax", String(summary.groups));
  meter.setAttribute("aria-valuenow", String(summary.decided));
  meter.firstElementChild.style.width = `${summary.groups ? 100 * summary.decided / summary.groups : 0}%`;
  byId("undo").disabled = !summary.history;
  document.title = `${summary.title ? `${summary.title} \u2013 ` : ""}fastsim review`;
}

function showHelp() {
  const box = byId("help");
  const close = () => { box.hidden = true; box.before?.focus?.(); };
  const before = document.activeElement;
  const button = make("button", { type: "button", onclick: () => { close(); before?.focus(); } }, "Close");
  box.replaceChildren(make("div", {}, make("h2", { id: "help-title" }, "Keys"),
    make("dl", {}, ...KEYS.flatMap(([key, what]) => [make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)])), button));
  box.hidden = false;
  button.focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const inField = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (!byId("help").hidden) {
    if (event.key === "Escape" || event.key === "?") byId("help").querySelector("button").click();
    return;
  }
  if (inField) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.id === "filter")) event.target.blur();
    if (event.target.type !== "range" || /^Arrow|^Home|^End|^Page/.test(event.key)) return;
  }
  if (event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;
  if (isComparing()) {
    if (compareKey(event)) event.preventDefault();
    return;
  }
  if (event.key === "?") { showHelp(); event.preventDefault(); return; }
  const screens = { g: "groups", t: "threshold", m: "rules", f: "finish" };
  if (event.key in screens && !api.isStatic) { go(screens[event.key]); event.preventDefault(); return; }
  if (state.screen === "groups" && groupsKey(event)) event.preventDefault();
  else if (event.key === "u") undoLast();
}

// Another tab may have decided something.
async function catchUp() {
  if (document.hidden || !state.summary) return;
  const told = await api.summary().catch(() => null);
  if (!told || told.revision === state.summary.revision) return;
  update(told);
  changed("elsewhere");
}

function startVideos(kind) {
  for (const id of ["saving", "meter", "undo", "help-button"]) byId(id).hidden = true;
  byId("main").replaceChildren(...(kind === "stretches" ? stretchesScreen() : framesScreen()));
}

async function start() {
  const summary = await attempt(() => api.summary());
  if (!summary) return;
  state.summary = summary;
  if (summary.kind) { startVideos(summary.kind); return; }
  tabs();
  numbers();
  onChange(numbers);
  go("groups");
  document.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", catchUp);
  window.addEventListener("focus", catchUp);
  byId("undo").addEventListener("click", undoLast);
  byId("help-button").addEventListener("click", showHelp);
  if (api.isStatic) byId("undo").before(make("button", { type: "button", class: "primary", id: "save", onclick: saveDecisions }, "Save decisions"));
  document.addEventListener("click", (event) => { if (event.target === byId("compare")) closeCompare(); });
}

start();
