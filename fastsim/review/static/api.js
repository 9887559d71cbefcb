// The server's routes. Changes are sent one after the other, so that none overtakes another.
import { notify } from "./dom.js";

async function answerOf(response) {
  const data = await response.json();
  if (!response.ok) throw new Error(data.problem || `the server answered ${response.status}`);
  return data;
}

async function get(path, query = {}) {
  const words = new URLSearchParams(query).toString();
  return answerOf(await fetch(words ? `${path}?${words}` : path));
}

let last = Promise.resolve();

function post(path, body) {
  const send = () => fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const answer = last.then(send).then(answerOf);
  last = answer.catch(() => {});
  return answer;
}

export const api = {
  summary: () => get("/api/summary"),
  rows: (view, from, to, sizes) => get("/api/rows", { ...view, from, to, ...(sizes ? { sizes: 1 } : {}) }),
  pair: (left, right) => get("/api/pair", { left, right }),
  threshold: (at) => get("/api/threshold", { at }),
  about: (id) => get(`/full/${id}`, { about: 1 }),
  plan: (action, scope) => get("/api/plan", { action, scope }),
  decide: (body) => post("/api/decide", body),
  rules: (body) => post("/api/rules", body),
  apply: (body) => post("/api/apply", body),
  undo: (body = {}) => post("/api/undo", body),
  thumb: (file, size) => `/thumb/${file.id}?s=${size}&v=${file.version}`,
  full: (file) => `/full/${file.id}?v=${file.version}`,
  isStatic: false,
};

// Of an exported page alone.
export function saveDecisions() {}

// Run what may fail, and say why it did.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    notify(error instanceof TypeError ? "fastsim does not answer; was it ended?" : error.message, true);
    return null;
  }
}
