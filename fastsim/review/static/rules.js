// Ordered keep rules, with what they would change before they do.
import { api, attempt } from "./api.js";
import { byId, inBytes, make, notify, number, plural } from "./dom.js";
import { look, state, update } from "./state.js";

const WORDS = {
  largest: "most bytes", resolution: "most pixels", newest: "last modified", oldest: "first modified", "name:original": "name of the original, not of a copy",
  "shortest-path": "shortest path", path: "first by path", plan: "what the plan keeps", format: "preferred format", folder: "in a folder",
};
let rules = [];

export function rulesScreen() {
  rules = [...state.summary.rules];
  requestAnimationFrame(() => { drawRules(); preview(); });
  return [make("div", { class: "panel" },
    make("section", { "aria-labelledby": "rules-title" },
      make("h2", { id: "rules-title" }, "Which file of a group stays"),
      make("p", { class: "lead" }, "The first rule that tells two files apart decides. An intact file always comes before a damaged one. What you have chosen by hand stays as it is."),
      make("ol", { class: "rules", id: "rules" }), adder()),
    make("section", { class: "effect", "aria-labelledby": "effect-title", "aria-live": "polite" },
      make("h2", { id: "effect-title" }, "What these rules would change"), make("div", { id: "effect" }), buttons()))];
}

function wordsOf(rule) {
  const [name, ...rest] = rule.split(":");
  if (rule in WORDS) return WORDS[rule];
  return `${WORDS[name]}: ${rest.join(":")}`;
}

function drawRules() {
  const list = byId("rules");
  if (!list) return;
  const act = (text, label, action, disabled) => make("button", { type: "button", "aria-label": label, title: label, disabled, onclick: action }, text);
  const change = (edit, focus) => { edit(); drawRules(); preview(); byId("rules").children[Math.max(0, Math.min(focus, rules.length - 1))]?.querySelector("button:not([disabled])")?.focus(); };
  list.replaceChildren(...rules.map((rule, i) => make("li", {},
    make("span", {}, wordsOf(rule)), make("code", {}, rule),
    act("\u2191", `Move ${wordsOf(rule)} up`, () => change(() => { rules.splice(i - 1, 0, ...rules.splice(i, 1)); }, i - 1), i === 0),
    act("\u2193", `Move ${wordsOf(rule)} down`, () => change(() => { rules.splice(i + 1, 0, ...rules.splice(i, 1)); }, i + 1), i === rules.length - 1),
    act("\u00d7", `Remove ${wordsOf(rule)}`, () => change(() => { rules.splice(i, 1); }, i), false))));
  if (!rules.length) list.append(make("li", { class: "quiet" }, "No rule of your own: most bytes, most pixels, the name of an original, the oldest."));
}

function adder() {
  const value = make("input", { id: "rule-value", "aria-label": "Value of the rule", spellcheck: "false", hidden: true });
  const kind = make("select", { id: "rule-kind", "aria-label": "Rule to add", onchange: () => {
    value.hidden = !(kind.value === "format" || kind.value === "folder");
    value.placeholder = kind.value === "format" ? "raw>heic>jpeg>png" : "folder name or path, * allowed";
  } }, ...[...state.summary.rule_names, "format", "folder"].map((name) => make("option", { value: name }, WORDS[name])));
  return make("form", { class: "adder", onsubmit: (event) => {
    event.preventDefault();
    const rule = value.hidden ? kind.value : `${kind.value}:${value.value || (kind.value === "format" ? value.placeholder : "")}`;
    if (!rules.includes(rule)) rules.push(rule);
    drawRules();
    preview();
  } }, kind, value, make("button", { type: "submit", id: "rule-add" }, "Add rule"));
}

async function preview() {
  const told = await attempt(() => api.rules({ rules, scope: "preview" }));
  const box = byId("effect");
  if (!told || !box) return;
  const now = state.summary;
  const less = told.bytes - now.bytes;
  box.replaceChildren(
    make("p", { class: "figure" }, number(told.changed), make("small", {}, told.changed === 1 ? " group keeps another file" : " groups keep another file")),
    make("p", {}, `${plural(told.going, "file")} would go, ${inBytes(told.bytes)}`, less ? make("span", { class: "quiet" }, ` (${less > 0 ? "+" : "\u2212"}${inBytes(Math.abs(less))})`) : null));
}

function buttons() {
  const use = async (scope, text) => {
    const told = await attempt(() => api.rules({ rules, scope, view: state.view }));
    if (!told) return;
    update(told);
    look();
    preview();
    notify(text);
  };
  return make("div", { class: "actions" },
    make("button", { type: "button", class: "primary", id: "rules-all", onclick: () => use("all", "These rules hold for all groups") }, "Use for all groups"),
    make("button", { type: "button", id: "rules-shown", title: "Writes the choice into the groups that the filters of the first screen show", onclick: () => use("shown", "Written into the groups that are shown") }, "Only for the groups shown"),
    make("button", { type: "button", id: "rules-decided", onclick: () => use("decided", "Written into the decided groups") }, "Only for decided groups"));
}
