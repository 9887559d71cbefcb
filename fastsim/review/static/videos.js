// Videos: stretches that two of them share, side by side, and the frames that were kept of each.
import { byId, make, number, plural } from "./dom.js";
import { state } from "./state.js";

function clock(seconds) {
  const two = (value) => String(value).padStart(2, "0");
  const whole = Math.floor(seconds + 0.001);
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

export function stretchesScreen() {
  const { stretches } = state.summary;
  byId("counted").textContent = plural(stretches.length, "common part");
  const cards = stretches.map((one, i) => make("article", { class: "stretch", "aria-label": `Common part ${i + 1}` },
    make("header", {}, make("b", {}, one.score.toFixed(3)), make("span", { class: "quiet" }, one.still ? " a still scene" : ""),
      one.sides.every((side) => side.playable) ? make("button", { type: "button", onclick: () => play(one) }, "Play both") : null),
    ...one.sides.map((side, k) => make("div", { class: "side-of" },
      make("p", { title: `${side.folder}/${side.name}` }, make("b", {}, side.name), ` ${clock(side.start)} \u2013 ${clock(side.end)}`),
      make("div", { class: "strip-of" }, ...[0, 1, 2, 3, 4, 5].map((n) => make("img", { loading: "lazy", alt: `${side.name}, frame ${n + 1} of 6`, src: `/thumb/${one.first + 6 * k + n}` })))))));
  return [make("div", { class: "panel one" }, make("section", {}, make("h1", {}, "Parts that videos share"),
    make("p", { class: "lead" }, "Each row shows six frames of the part, at the same share of its length in both videos."), ...cards, cards.length ? null : make("p", {}, "No common part.")))];
}

function play(one) {
  const box = byId("compare");
  const videos = one.sides.map((side, k) => make("video", { src: `/full/${one.first + 6 * k}#t=${side.start},${side.end}`, muted: true, playsinline: true }));
  const close = () => { box.hidden = true; box.replaceChildren(); };
  const restart = () => videos.forEach((video, k) => { video.currentTime = one.sides[k].start; video.play().catch(() => {}); });
  box.replaceChildren(make("div", { class: "bar" }, make("button", { type: "button", onclick: restart }, "From the start"), make("button", { type: "button", onclick: () => videos.forEach((video) => (video.paused ? video.play() : video.pause())) }, "Play, pause"), make("span", { class: "spring" }), make("button", { type: "button", id: "compare-close", onclick: close }, "Close")),
    make("div", { class: "stage" }, ...videos.map((video, k) => make("div", { class: "pane" }, video, make("div", { class: "labels" }, make("span", { class: "label" }, one.sides[k].name))))));
  box.hidden = false;
  box.onkeydown = (event) => { if (event.key === "Escape") close(); };
  byId("compare-close").focus();
  restart();
}

export function framesScreen() {
  const { videos } = state.summary;
  byId("counted").textContent = plural(videos.length, "video");
  const figure = (video, [seconds, standsFor], i) => make("a", { class: "frame-of", href: `/full/${video.first + i}`, target: "_blank", rel: "noreferrer", "aria-label": `Frame at ${clock(seconds)}` },
    make("img", { loading: "lazy", alt: "", src: `/thumb/${video.first + i}` }), make("span", {}, clock(seconds), make("small", {}, standsFor ? ` for ${number(standsFor)} more` : "")));
  return [make("div", { class: "panel one" }, ...videos.map((video) => make("section", {}, make("h2", { title: video.folder }, video.name),
    make("p", { class: "quiet" }, `${plural(video.kept.length, "frame")} kept of ${number(video.read)}${video.problem ? `; ${video.problem}` : ""}`),
    make("div", { class: "frames-of" }, ...video.kept.map((one, i) => figure(video, one, i))))), videos.length ? null : make("p", {}, "No video is done yet."))];
}
