// Every `<div class="isotopy-scene">` with a scene in a JSON script becomes a viewer; `window.isotopy` is all that is global.

import { SceneError, readScene } from "./scene.ts";
import { Viewer } from "./viewer.ts";
import type { Report } from "./viewer.ts";

interface Isotopy {
  viewers: Viewer[];
  /** What viewer number `index` of the page shows. */
  state(index?: number): Report | undefined;
  /** Show a scene (its JSON, parsed or as text) in an element. */
  mount(host: HTMLElement, scene: unknown): Viewer | null;
  /** Mount what is not mounted yet. */
  scan(): void;
}

declare global {
  interface Window {
    isotopy?: Isotopy;
  }
}

function mount(host: HTMLElement, json: unknown): Viewer | null {
  try {
    const viewer = new Viewer(host, readScene(typeof json === "string" ? JSON.parse(json) : json));
    viewers.push(viewer);
    return viewer;
  } catch (error) {
    // the still picture stays, with the reason under it
    const reason = error instanceof SceneError || error instanceof SyntaxError ? error.message : String(error);
    const said = document.createElement("p");
    said.setAttribute("role", "alert");
    said.className = "isotopy-error";
    said.textContent = `This scene cannot be shown: ${reason}`;
    host.append(said);
    return null;
  }
}

function scan(): void {
  for (const host of document.querySelectorAll<HTMLElement>(".isotopy-scene:not([data-mounted])")) {
    const script = host.querySelector('script[type="application/json"]');
    if (!script) continue;
    host.dataset.mounted = "";
    mount(host, script.textContent ?? "");
  }
}

const viewers: Viewer[] = window.isotopy?.viewers ?? [];
window.isotopy ??= { viewers, state: (index = 0) => viewers[index]?.report(), mount, scan };
const { isotopy } = window;
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => isotopy.scan());
else isotopy.scan();
