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

const ICONS = {
  play: "M5 3.2v11.6a.6.6 0 0 0 .92.5l9-5.8a.6.6 0 0 0 0-1l-9-5.8A.6.6 0 0 0 5 3.2z",
  pause: "M4.5 3h3v12h-3zM10.5 3h3v12h-3z",
  reset: "M9 3.2a5.8 5.8 0 1 0 5.6 4.3h-1.6A4.3 4.3 0 1 1 9 4.7c1 0 1.9.35 2.65.95L9.9 7.4h4.6V2.8l-1.75 1.77A5.8 5.8 0 0 0 9 3.2z",
  dark: "M14.9 11.2A6.3 6.3 0 0 1 6.8 3.1a6.3 6.3 0 1 0 8.1 8.1z",
  light: "M9 5.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8zM8.25 1h1.5v2.6h-1.5zM8.25 14.4h1.5V17h-1.5zM1 8.25h2.6v1.5H1zM14.4 8.25H17v1.5h-2.6zM2.8 3.86 3.86 2.8 5.7 4.64 4.64 5.7zM12.3 13.36l1.06-1.06 1.84 1.84-1.06 1.06zM2.8 14.14l1.84-1.84 1.06 1.06-1.84 1.84zM12.3 4.64l1.84-1.84 1.06 1.06-1.84 1.84z",
  help: "M8.1 11.6h1.7v1.8H8.1zM9 4.2c-1.8 0-3 1.1-3.1 2.8h1.7c.05-.8.6-1.3 1.4-1.3s1.35.45 1.35 1.15c0 .65-.3.95-1 1.4-.85.55-1.25 1.05-1.25 2v.4h1.65v-.3c0-.6.25-.85 1-1.35.85-.55 1.35-1.2 1.35-2.2C12.1 5.2 10.8 4.2 9 4.2z",
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
