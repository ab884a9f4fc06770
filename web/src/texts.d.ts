// Text that the build packs into the bundle.
declare module "*.css" {
  const sheet: string;
  export default sheet;
}

declare module "*.glsl" {
  const source: string;
  export default source;
}
