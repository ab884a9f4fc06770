// What stands beside the stage: the certificate of the layer, overlays, the legend, statements.

import { outlinePath } from "./canvas2d.ts";
import { button, h, icon, number, s } from "./dom.ts";
import { classColor, classOutline, classShape, css, rankColor, stretchRamp, textOn } from "./palette.ts";
import type { Inks } from "./palette.ts";
import type { Scene, Status } from "./scene.ts";
import { available, certificateAt } from "./state.ts";
import type { Overlay, State } from "./state.ts";
import { tone } from "./words.ts";

export interface Panels {
  element: HTMLElement;
  update(state: State, inks: Inks, highestRank: number, stretchLimit: number): void;
}

export interface PanelActions {
  overlay(name: Overlay): void;
  mode(mode: "fixed" | "follow"): void;
  reset(): void;
  theme(): void;
  help(): void;
}

const NAMES: Record<Overlay, string> = {
  grid: "Grid", data: "Data", boundary: "Boundary", polytopes: "Polytopes", ranks: "Ranks", stretch: "Stretch",
};
const MEANINGS: Record<Status, string> = {
  proved: "Shown by rigorous bounds or exact arithmetic.",
  computed: "A floating-point result without such bounds.",
  observed: "What this sample shows.",
  "nothing known": "Neither shown nor ruled out.",
};

export function panels(scene: Scene, actions: PanelActions): Panels {
  const verdict = h("h3", {});
  const sentence = h("p", {});
  const certificate = h("div", { class: "certificate" }, verdict, sentence);
  const has = available(scene);
  const chips = new Map(has.map((name) => [name,
    button({ "aria-pressed": "false", title: `${NAMES[name]} (${name[0]})` }, () => actions.overlay(name), NAMES[name]),
  ]));
  const legend = h("ul", { class: "legend" });
  const modes = (["fixed", "follow"] as const).map((mode) =>
    button({ "aria-pressed": "false", title: mode === "fixed" ? "One frame for all layers" : "The frame fits every layer; mind the scale bar" }, () => actions.mode(mode), mode === "fixed" ? "Fixed" : "Follow"),
  );
  const theme = button({ class: "square" }, () => actions.theme(), icon("paper"));
  const statements = scene.statements.map((entry) => h("li", {}, pill(entry.status), h("p", {}, capital(entry.text))));
  const notes = [scene.view.kind === "axes" ? "" : `Seen from ${scene.view.kind.toUpperCase()} axes.`, scene.view.note,
    scene.flow.kind === "sampled" && scene.layers.length > 0 && !scene.view.note.includes("isotopy") ? "Interpolated between recorded layers; not an isotopy." : ""].filter(Boolean);

  const element = h("aside", { "aria-label": `About ${scene.title || "the picture"}` },
    scene.certificates.length > 0 && section("This layer", "now", certificate),
    section("Shown", "shown", 
      h("div", { class: "chips", "role": "group", "aria-label": "Overlays" }, ...chips.values()),
      legend,
    ),
    section("View", "view", 
      h("div", { class: "tools" },
        scene.layers.length > 0 && h("div", { class: "chips joined", "role": "group", "aria-label": "Camera" }, ...modes),
        button({ class: "square", title: "Reset the view (v)", "aria-label": "Reset the view" }, () => actions.reset(), icon("reset")),
        theme,
        button({ class: "square", title: "Keys (?)", "aria-label": "Keys (?)" }, () => actions.help(), "?"),
      ),
      notes.length > 0 && h("p", { class: "quiet" }, notes.join(" ")),
    ),
    statements.length > 0 && section("Statements", "statements", h("ul", { class: "list" }, ...statements)),
  );

  let shown = "";
  return {
    element,
    update(state, inks, highestRank, stretchLimit) {
      const badge = certificateAt(scene, state.t);
      certificate.className = `certificate ${badge ? tone(badge.verdict) : ""}`;
      if (badge) verdict.replaceChildren(capital(badge.verdict), pill(badge.status));
      else verdict.replaceChildren(state.t <= 0 ? "The input, not yet moved" : "Nothing is certified here");
      sentence.textContent = badge ? badge.sentence : "";
      for (const [name, chip] of chips) chip.setAttribute("aria-pressed", String(state.overlays[name]));
      modes.forEach((button, i) => button.setAttribute("aria-pressed", String((i === 0 ? "fixed" : "follow") === state.camera.mode)));
      const key = JSON.stringify([state.overlays, inks.dark, stretchLimit]);
      if (key === shown) return;
      shown = key;
      theme.title = theme.ariaLabel = inks.dark ? "Light paper" : "Dark paper";
      legend.replaceChildren(...keys(scene, state, inks, highestRank, stretchLimit));
    },
  };
}

export function pill(status: Status): HTMLElement {
  return h("span", { class: `pill ${status}`, title: MEANINGS[status] }, status);
}

/** The shape of a class in its color. */
export function swatch(index: number, inks: Inks): SVGSVGElement {
  return s("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true", class: "swatch" },
    s("path", {
      d: outlinePath(5.4, classShape(index)), fill: css(classColor(index, inks)),
      stroke: css(classOutline(index, inks)), "stroke-width": 1,
    }),
  );
}

function keys(scene: Scene, state: State, inks: Inks, highestRank: number, limit: number): HTMLElement[] {
  const { overlays } = state;
  const found: HTMLElement[] = [];
  if (overlays.data) {
    found.push(...scene.classes.slice(0, 12).map((name, i) => h("li", {}, swatch(i, inks), name)));
    const more = scene.classes.length - 12;
    if (more > 0) found.push(h("li", {}, `and ${more} more`));
  }
  if (overlays.boundary && (scene.logit || scene.primitives.some((entry) => entry.role === "boundary"))) {
    found.push(h("li", {}, stroke(css(inks.ink), 2), "boundary"));
  }
  for (const label of new Set(scene.stills.map((still) => still.label).filter(Boolean))) {
    if (overlays.boundary) found.push(h("li", {}, stroke(css(inks.ink), 2), label));
  }
  if (overlays.ranks) {
    const ranks = Array.from({ length: Math.min(highestRank, 9) + 1 }, (_, rank) => rank);
    found.push(h("li", { class: "ramp" }, "rank", ...ranks.map((rank) =>
      h("span", { class: "cell", style: `background:${css(rankColor(rank, highestRank))};color:${textOn(rankColor(rank, highestRank))}` }, String(rank)),
    )));
  }
  if (overlays.stretch) {
    const [low, middle, high] = stretchRamp(inks).map((color) => css(color));
    found.push(h("li", { class: "ramp" }, `× ${number(10 ** -limit, 2)}`,
      h("span", { class: "bar", style: `background:linear-gradient(90deg,${low},${middle},${high})` }), `× ${number(10 ** limit, 2)}`, " stretch"));
  }
  return found;
}

function stroke(color: string, width: number): SVGSVGElement {
  return s("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true", class: "swatch" },
    s("path", { d: "M-7 0H7", stroke: color, "stroke-width": width }));
}

function section(title: string, name: string, ...children: (Node | false)[]): HTMLElement {
  return h("details", { open: true, class: `panel ${name}` }, h("summary", {}, h("h2", {}, title)), h("div", { class: "inside" }, ...children));
}

function capital(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}
