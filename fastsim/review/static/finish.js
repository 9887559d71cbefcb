// What will happen, in words; what has to be confirmed; apply and take back.
import { api, attempt } from "./api.js";
import { byId, date, inBytes, make, notify, number, plural } from "./dom.js";
import { changed, onChange, state, update } from "./state.js";

const choice = { action: "move", scope: "decided" };
let plan = null;
let watching = 0;

export function finishScreen() {
  const radio = (name, value, title, text) => make("label", { class: "choice" },
    make("input", { type: "radio", name, value, checked: choice[name] === value, onchange: () => { choice[name] = value; refresh(); } }), make("span", {}, make("b", {}, title), make("small", {}, text)));
  requestAnimationFrame(() => { refresh(); drawRuns(); if (state.summary.progress.what) watch(); });
  return [make("div", { class: "panel finish" },
    make("section", { "aria-labelledby": "finish-title" },
      make("h2", { id: "finish-title" }, "What becomes of the files that go"),
      make("div", { class: "choices", role: "radiogroup", "aria-label": "Action" },
        radio("action", "move", "Move to a folder", "Can be taken back."),
        radio("action", "trash", "Desktop\u2019s trash", "Restore from there."),
        radio("action", "delete", "Delete", "Can\u2019t be taken back. Equal files are compared byte by byte first.")),
      make("div", { class: "choices", role: "radiogroup", "aria-label": "Groups" },
        radio("scope", "decided", "Decided groups", "What nobody has looked at stays."),
        radio("scope", "all", "All groups", "Undecided ones as the rules say.")),
      make("div", { id: "plan", "aria-live": "polite" }), make("div", { id: "progress", "aria-live": "polite" })),
    make("section", {}, make("div", { id: "blocked" }), make("div", { id: "runs" }), make("div", { id: "steps" })))];
}

async function refresh() {
  plan = null;
  const box = byId("plan");
  try {
    plan = await api.plan(choice.action, choice.scope);
  } catch (error) {
    box?.replaceChildren(make("p", { class: "problem" }, error.message));
    byId("blocked")?.replaceChildren();
    byId("steps")?.replaceChildren();
    return;
  }
  if (!box) return;
  const verb = { move: "Move", trash: "Trash", delete: "Delete" }[choice.action];
  const busy = Boolean(state.summary.progress.what);
  box.replaceChildren(
    make("p", { class: "figure" }, inBytes(plan.bytes), make("small", {}, plan.operations ? "" : " nothing to do yet")),
    make("ul", { class: "words" }, ...plan.words.map((line) => make("li", {}, line)),
      make("li", {}, choice.action === "move" ? `to ${plan.outs}` : `plan and journal in ${plan.outs}`),
      plan.blocked_groups ? make("li", { class: "problem" }, `${plural(plan.blocked_groups, "group")} left out, as no copy would stay`) : null,
      make("li", { class: "quiet" }, "Each file is looked at again first; one that has changed is left alone.")),
    make("button", { type: "button", class: choice.action === "delete" ? "danger" : "primary", id: "apply", disabled: busy || !plan.operations, onclick: applyPlan },
      plan.operations ? `${verb} ${plural(plan.operations, "file")}` : "Nothing to do"));
  drawBlocked();
  byId("steps")?.replaceChildren(...(plan.steps.length ? [make("details", {},
    make("summary", {}, plan.steps.length < plan.operations ? `The first ${number(plan.steps.length)} of ${plural(plan.operations, "step")}` : plural(plan.operations, "step")),
    make("pre", {}, plan.steps.join("\n")))] : []));
}

function drawBlocked() {
  const box = byId("blocked");
  if (!box) return;
  box.replaceChildren();
  if (!plan.blocked.length) return;
  const confirm = async (group) => {
    const told = await attempt(() => api.decide({ confirm: group.files.map((file) => file.id) }));
    if (told) { update(told); refresh(); }
  };
  const keep = async (group) => {
    const told = await attempt(() => api.decide({ keep: { [group.files[0].id]: true } }));
    if (told) { update(told); refresh(); }
  };
  box.append(make("h2", {}, `${plural(plan.blocked_groups, "group")} would lose every copy`),
    make("p", { class: "quiet" }, "Nothing happens to these until you say so for each. Confirmed, their files are moved, never deleted."),
    ...plan.blocked.map((group) => make("div", { class: "losing" },
      make("span", { class: "strip" }, ...group.files.slice(0, 6).map((file) => make("img", { src: api.thumb(file, 160), alt: file.name, title: file.name }))),
      make("span", { class: "actions" },
        make("button", { type: "button", onclick: () => keep(group) }, `Keep ${group.files[0].name}`),
        make("button", { type: "button", class: "danger confirm", onclick: () => confirm(group) }, "Lose them all")))));
}

async function applyPlan() {
  if (choice.action === "delete" && !window.confirm(`Delete ${plural(plan.operations, "file")} for good?`)) return;
  const told = await attempt(() => api.apply({ ...choice, digest: plan.digest }));
  if (!told) { refresh(); return; }
  update(told);
  watch();
}

export async function takeBack(run) {
  const told = await attempt(() => api.undo({ run }));
  if (told) { update(told); watch(); }
}

async function resume(run) {
  const told = await attempt(() => api.apply({ resume: run }));
  if (told) { update(told); watch(); }
}

function watch() {
  clearTimeout(watching);
  const { progress } = state.summary;
  const box = byId("progress");
  if (progress.what) {
    byId("apply")?.setAttribute("disabled", "");
    const share = progress.total ? Math.round(100 * progress.done / progress.total) : 0;
    box?.replaceChildren(make("progress", { max: String(progress.total || 1), value: String(progress.done), "aria-label": progress.what }),
      make("p", {}, `${progress.what === "undo" ? "Taking back" : "Applying"}: ${number(progress.done)} of ${number(progress.total)} (${share} %)`));
    watching = setTimeout(async () => {
      const told = await api.summary().catch(() => null);
      if (told) update(told);
      watch();
    }, 250);
    return;
  }
  box?.replaceChildren(...(progress.problem ? [make("p", { class: "problem" }, progress.problem)] : []));
  if (!progress.problem) notify("Done");
  drawRuns();
  refresh();
  changed("elsewhere");
}

function drawRuns() {
  const box = byId("runs");
  if (!box) return;
  const { runs } = state.summary;
  box.replaceChildren(...(runs.length ? [make("h2", {}, "What was applied")] : []), ...runs.map((run) => {
    const canUndo = run.state !== "undone" && run.state !== "running" && run.op !== "delete" && !(run.undone && !run.undone.failed.length);
    const back = run.undone ? [`${plural(run.undone.restored, "file")} moved back`, run.undone.gone ? `${plural(run.undone.gone, "file")} deleted for good` : "", run.undone.trashed ? `${plural(run.undone.trashed, "file")} in the trash` : ""].filter(Boolean).join(", ") : "";
    return make("div", { class: `run ${run.state}` },
      make("p", {}, make("b", {}, { done: "Done", stopped: "Interrupted", undone: "Taken back", running: "Under way" }[run.state]), `  ${date(run.time)}  ${run.done !== undefined ? plural(run.done, "file") : ""} ${run.bytes ? inBytes(run.bytes) : ""}`),
      make("p", { class: "quiet" }, run.outs),
      back ? make("p", {}, back) : null,
      run.failures ? make("details", { open: run.failures < 6 }, make("summary", {}, `${plural(run.failures, "file")} left as they are`), make("ul", {}, ...run.failed.map(([path, why]) => make("li", {}, `${path}: ${why}`)))) : null,
      make("span", { class: "actions" },
        run.state === "stopped" ? make("button", { type: "button", class: "primary resume", onclick: () => resume(run.id) }, "Finish it") : null,
        canUndo ? make("button", { type: "button", class: "take-back", onclick: () => takeBack(run.id) }, "Take it back") : null));
  }));
}

onChange((what) => { if (state.screen === "finish" && what === "elsewhere") { drawRuns(); } });
