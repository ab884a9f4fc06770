// Every `<div class="isotopy-scene">` with a scene in a JSON script becomes a viewer; `window.isotopy` is all that is global.

import { unpack } from "./arrays.ts";
import { readScene } from "./scene.ts";
import { Viewer } from "./viewer.ts";
import type { Report } from "./viewer.ts";

interface Isotopy {
  viewers: Viewer[];
  /** What viewer number `index` of the page shows. */
  state(index?: number): Report | undefined;
  /** Show a scene (its JSON, parsed or as text) in an element. */
  mount(host: HTMLElement, scene: unknown): Promise<Viewer | null>;
  /** Mount what is not mounted yet. */
  scan(): Promise<void>;
}

declare global {
  interface Window {
    isotopy?: Isotopy;
  }
}

async function mount(host: HTMLElement, json: unknown): Promise<Viewer | null> {
  try {
    const scene = typeof json === "string" ? JSON.parse(json) : json;
    await unpack(scene);
    const viewer = new Viewer(host, readScene(scene));
    viewers.push(viewer);
    return viewer;
  } catch (error) {
    // the still picture stays, with the reason under it
    const said = document.createElement("p");
    said.setAttribute("role", "alert");
    said.className = "isotopy-error";
    said.textContent = `This scene cannot be shown: ${error instanceof Error ? error.message : error}`;
    host.append(said);
    return null;
  }
}

/** One after the other, so that viewers are numbered as they stand in the page. */
async function scan(): Promise<void> {
  for (const host of document.querySelectorAll<HTMLElement>(".isotopy-scene:not([data-mounted])")) {
    const script = host.querySelector('script[type="application/json"]');
    if (!script) continue;
    host.dataset.mounted = "";
    await mount(host, script.textContent ?? "");
  }
}

const viewers: Viewer[] = window.isotopy?.viewers ?? [];
window.isotopy ??= { viewers, state: (index = 0) => viewers[index]?.report(), mount, scan };
const { isotopy } = window;
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => void isotopy.scan());
else void isotopy.scan();
