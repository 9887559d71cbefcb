// What the screens share: the summary, the view, and who wants to hear of changes.

export const state = {
  summary: null,
  view: { sort: "bytes", down: 1, state: "all", text: "", form: "", low: 0, high: 1, stamp: String(Date.now()) },
  screen: "groups",
};

const listeners = new Set();

export function onChange(listener) {
  listeners.add(listener);
}

export function changed(what) {
  for (const listener of listeners) listener(what);
}

// Take new numbers over; `what` names what else has changed.
export function update(numbers, what = "numbers") {
  state.summary = { ...state.summary, ...numbers };
  changed(what);
}

// Look at the groups anew: the order is made from what is decided now.
export function look(change = {}) {
  Object.assign(state.view, change, { stamp: `${Date.now()}-${Math.random().toString(36).slice(2, 7)}` });
  changed("view");
}
