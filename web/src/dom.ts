// Small helpers for elements.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: never) => void)>;

const SVG = "http://www.w3.org/2000/svg";

function filled<T extends Element>(element: T, attributes: Attributes, children: Child[]): T {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value as unknown as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => Boolean(child)));
  return element;
}

/** An element; functions among the attributes listen to the event of their name. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  return filled(document.createElement(tag), attributes, children);
}

export function s<K extends keyof SVGElementTagNameMap>(
  tag: K, attributes: Attributes = {}, ...children: Child[]
): SVGElementTagNameMap[K] {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** A button; the same attributes as `h`, and what a click does. */
export function button(attributes: Attributes, act: () => void, ...children: Child[]): HTMLButtonElement {
  return h("button", { type: "button", ...attributes, click: act }, ...children);
}

const ICONS = {
  play: "M5 3.2v11.6a.6.6 0 0 0 .92.5l9-5.8a.6.6 0 0 0 0-1l-9-5.8A.6.6 0 0 0 5 3.2z",
  pause: "M4.5 3h3v12h-3zM10.5 3h3v12h-3z",
  reset: "M9 3a6 6 0 1 0 5.7 4.3H13A4.4 4.4 0 1 1 9 4.6l2.8 1L10 7.4h4.6V2.8l-1.8 1.8A6 6 0 0 0 9 3z",
  paper: "M9 2a7 7 0 1 0 0 14A7 7 0 0 0 9 2zm0 1.6v10.8a5.4 5.4 0 0 1 0-10.8z",
};

export function icon(name: keyof typeof ICONS): SVGSVGElement {
  return s("svg", { viewBox: "0 0 18 18", width: 18, height: 18, "aria-hidden": "true", class: "icon" }, s("path", { d: ICONS[name] }));
}

export function number(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(1).replace("-", "−").replace("e+", "e");
  return String(+value.toPrecision(digits)).replace("-", "−");
}
