// The routes of an exported page: the groups lie in data.js, and decisions in this browser until they are saved as a file.
import { notify } from "./dom.js";

const stored = window.fastsimReview;
const key = `fastsim-${stored.review}`;
const views = new Map();
let history = [];

function load() {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

const decided = { files: {}, apart: [], ...load() };
const fileOf = new Map(stored.groups.flatMap((group) => group.files.map((file) => [file.id, file])));

function keepDecisions() {
  try {
    localStorage.setItem(key, JSON.stringify(decided));
  } catch {
    notify("This browser keeps nothing for this page: save the decisions before you close it", true);
  }
}

function fresh(group) {
  const apart = new Set(decided.apart.map(([one, other]) => `${one}-${other}`));
  const files = group.files.map((file) => {
    const [, keep, done] = decided.files[file.id] ?? [null, file.keep, file.done];
    const single = group.files.every((other) => other === file || apart.has(`${Math.min(file.id, other.id)}-${Math.max(file.id, other.id)}`));
    return { ...file, keep: single || keep, done, single, own: file.own || file.id in decided.files };
  });
  const together = files.filter((file) => !file.single);
  const going = together.filter((file) => !file.keep);
  let state = "undecided";
  if (!together.length) state = "apart";
  else if (going.length === together.length) state = "blocked";
  else if (together.every((file) => file.done)) state = together.some((file) => file.keep !== file.rule) ? "changed" : "decided";
  return { ...group, files, state, gain: going.reduce((sum, file) => sum + file.bytes, 0) };
}

function shows(view, group) {
  const text = view.text.toLowerCase();
  const state = view.state === "all" || view.state === group.state || (view.state === "decided" && group.state === "changed");
  return state && (!view.form || group.files.some((file) => file.form === view.form))
    && (!text || group.files.some((file) => `${file.folder}/${file.name}`.toLowerCase().includes(text)));
}

function orderOf(view) {
  if (!views.has(view.stamp)) {
    const value = {
      bytes: (group) => group.gain, score: (group) => group.score, size: (group) => group.files.length,
      folder: (group) => `${group.files[0].folder}/${group.files[0].name}`, date: (group) => Math.max(...group.files.map((file) => file.date)),
    }[view.sort];
    const chosen = stored.groups.filter((group) => shows(view, fresh(group)));
    chosen.sort((a, b) => (value(fresh(a)) < value(fresh(b)) ? -1 : 1) * (view.down ? -1 : 1));
    views.set(view.stamp, chosen);
  }
  return views.get(view.stamp);
}

function totals() {
  const groups = stored.groups.map(fresh);
  const going = groups.flatMap((group) => group.files.filter((file) => !file.keep));
  return {
    revision: 1, history: history.length, groups: groups.length, decided: groups.filter((group) => ["decided", "changed"].includes(group.state)).length,
    going: going.length, bytes: going.reduce((sum, file) => sum + file.bytes, 0), blocked: groups.filter((group) => group.state === "blocked").length,
  };
}

function set(ids, valueOf, done) {
  for (const id of ids) decided.files[id] = [fileOf.get(Number(id)).version, valueOf(id), done ?? decided.files[id]?.[2] ?? false];
}

function groupOf(ids) {
  const first = new Set(ids);
  return fresh(stored.groups.find((group) => group.files.some((file) => first.has(file.id))));
}

async function decide(body) {
  history.push(JSON.stringify(decided));
  if (body.keep) set(Object.keys(body.keep), (id) => body.keep[id]);
  if (body.apart) decided.apart.push(...body.apart.map(([one, other]) => [Math.min(one, other), Math.max(one, other)]));
  if (body.done) for (const file of groupOf(body.done).files) set([file.id], () => file.keep, true);
  if (body.accept) for (const group of orderOf(body.accept)) for (const file of fresh(group).files) set([file.id], () => file.keep, true);
  keepDecisions();
  return { ...totals(), ...(body.row ? { row: groupOf(body.row) } : {}) };
}

async function undo() {
  const before = history.pop();
  if (before) Object.assign(decided, JSON.parse(before));
  keepDecisions();
  return { ...totals(), undone: before ? "the last decision" : "" };
}

export const api = {
  summary: async () => ({ ...stored.summary, ...totals() }),
  rows: async (view, from, to, sizes) => {
    const order = orderOf(view);
    const rows = order.slice(from, to).map(fresh);
    return { revision: 1, total: order.length, from, rows, ...(sizes ? { sizes: order.map((group) => group.files.length) } : {}) };
  },
  pair: async () => ({}),
  about: async () => ({}),
  decide,
  undo,
  thumb: (file) => `thumbs/${file.id}.jpg`,
  full: (file) => `thumbs/${file.id}.jpg`,
  isStatic: true,
};

// The decisions as a file for `fastsim apply`.
export function saveDecisions() {
  const whole = { format: stored.format, version: stored.version, review: stored.review, ...decided };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(whole)], { type: "application/json" }));
  link.download = "fastsim-decisions.json";
  link.click();
  notify("Saved. On the machine of the review: fastsim apply fastsim-decisions.json");
}

export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notify(error.message, true);
    return null;
  }
}
