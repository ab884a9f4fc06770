// Time: play, the slider with its ticks, and the stages of the layer.

import { button, h, icon } from "./dom.ts";
import { moment } from "./flow.ts";
import type { Scene } from "./scene.ts";
import { certificateAt, stageNames, stops, whereabouts } from "./state.ts";
import { tone } from "./words.ts";

export interface Transport {
  element: HTMLElement;
  slider: HTMLInputElement;
  update(t: number, playing: boolean): void;
}

interface Actions {
  seek(t: number): void;
  toggle(): void;
  step(direction: 1 | -1): void;
}

const THUMB = 20; // pixels, as in the style sheet

/** Where time `t` is on the track, under the middle of the thumb. */
function along(share: number): string {
  return `calc(${THUMB / 2}px + (100% - ${THUMB}px) * ${+share.toFixed(5)})`;
}

export function transport(scene: Scene, actions: Actions): Transport {
  const end = scene.layers.length;
  const play = button({ class: "play", "aria-label": "Play", title: "Play (space)" }, () => actions.toggle());
  const slider = h("input", {
    type: "range", min: 0, max: end, step: 0.01, value: 0, "aria-label": "Time through the network, in layers",
    input: () => actions.seek(Number(slider.value)),
    keydown: (event: KeyboardEvent) => {
      if (event.key !== "PageUp" && event.key !== "PageDown") return;
      event.preventDefault();
      actions.step(event.key === "PageUp" ? 1 : -1);
    },
  });
  const ticks = stops(scene).map((t) =>
    h("i", { class: t % 1 === 0 ? "tick whole" : "tick", style: `left:${along(t / end)}` }),
  );
  const bands = scene.certificates.map((entry) => {
    const [from, to] = [entry.layer - 1 + entry.from, entry.layer - 1 + entry.to];
    return h("i", {
      class: `band ${tone(entry.verdict)}`,
      style: `left:${along(from / end)};width:calc((100% - ${THUMB}px) * ${(to - from) / end})`,
    });
  });
  // numbers that torch gives for want of names would be read as layers
  const names = ["input", ...scene.layers.map(({ name }) => (/^\d+$/.test(name) ? "" : name))];
  const labels = names.map((name, k) =>
    button({ class: "stop", style: `left:${along(k / end)}`, tabindex: -1, title: name,
      "aria-label": `Jump to ${k} ${name}`.trim() }, () => actions.seek(k), h("b", {}, String(k)), " ", h("span", {}, name)),
  );
  const where = h("strong", { class: "where" });
  const detail = h("span", { class: "detail" });
  const chips = h("span", { class: "stages" });
  const clock = h("output", { class: "clock", "aria-hidden": "true" });
  const track = h("div", { class: "track" }, ...bands, ...ticks, slider, h("div", { class: "stops" }, ...labels));
  const element = h("div", { class: "transport", "role": "group", "aria-label": "Time" },
    h("div", { class: "reading" }, where, detail, chips, clock),
    play,
    track,
  );
  // names only where they have room, numbers where those have it
  new ResizeObserver(() => {
    const room = (track.clientWidth - THUMB) / end;
    track.classList.toggle("named", room > 74);
    const every = Math.max(1, Math.ceil(22 / Math.max(room, 1)));
    labels.forEach((label, k) => (label.hidden = k % every !== 0));
    for (const label of labels) (label.lastElementChild as HTMLElement).style.maxWidth = `${Math.max(room - 10, 40)}px`;
  }).observe(track);

  let shownUnit = 0;
  let shownPlaying: boolean | undefined;
  return {
    element,
    slider,
    update(t, playing) {
      const { unit, stage } = moment(scene, t);
      const stages = stageNames(scene, unit);
      if (Math.abs(Number(slider.value) - t) > 0.004) slider.value = String(t);
      slider.style.setProperty("--at", along(t / end));
      const rests = t % 1 === 0;
      where.textContent = t === 0 ? "Input" : rests ? `After layer ${t}` : `Layer ${unit}`;
      const k = Math.ceil(t);
      detail.textContent = [k && `of ${end}`, k && names[k], `width ${k ? scene.layers[k - 1].width : scene.input}`].filter(Boolean).join(" · ");
      clock.textContent = `t = ${t.toFixed(2)}`;
      const badge = certificateAt(scene, t);
      slider.setAttribute("aria-valuetext", `${whereabouts(scene, t)}${badge ? `, ${badge.verdict}` : ""}`);
      if (unit !== shownUnit) {
        const starts = [0, ...scene.layers[unit - 1].ticks];
        chips.replaceChildren(...stages.map((name, i) =>
          button({ tabindex: -1 }, () => actions.seek(unit - 1 + starts[i]), name),
        ));
        shownUnit = unit;
      }
      [...chips.children].forEach((chip, i) => chip.classList.toggle("on", i === stage && !rests));
      labels.forEach((label, k) => label.classList.toggle("on", Math.abs(t - k) < 0.005));
      if (playing !== shownPlaying) {
        play.replaceChildren(icon(playing ? "pause" : "play"));
        play.setAttribute("aria-label", playing ? "Pause" : "Play");
        shownPlaying = playing;
      }
    },
  };
}
