// Three programs: points with a shape, lines as quads, triangles shaded by their slope. A line that starts with @ names
// what follows; each program has the shared part of its kind before it.

@vertex
precision highp int;
uniform highp sampler2D positions;
uniform highp sampler2D scalars;
uniform mat4 camera;
uniform vec4 toEye;
uniform vec2 size;
in vec4 fill;
out vec4 vFill;
out float vFog;
ivec2 cell(uint id) { return ivec2(int(id & 1023u), int(id >> 10)); }
vec3 place(uint id) { return texelFetch(positions, cell(id), 0).xyz; }
float fog(vec3 p) { return clamp(0.5 - 0.5 * dot(toEye, vec4(p, 1.0)), 0.0, 1.0); }

@fragment
uniform vec3 paper;
uniform float opacity;
uniform float haze;
in vec4 vFill;
in float vFog;
out vec4 color;
vec3 hazy(vec3 c) { return mix(c, paper, haze * vFog); }

@points.vertex
in uint id;
in vec4 edge;
uniform float radius;
out vec4 vEdge;
out float vSize;
void main() {
  vec3 p = place(id);
  gl_Position = camera * vec4(p, 1.0);
  gl_Position.z -= 0.003 * gl_Position.w; // a mark on a surface is not cut by it
  vFill = fill;
  vEdge = edge;
  vFog = fog(p);
  // a pixel of outline, a pixel of smooth edge
  vSize = radius / clamp(gl_Position.w, 0.6, 1.8);
  gl_PointSize = 2.0 * (vSize * 1.3 + 2.0);
}

@points.fragment
in vec4 vEdge;
in float vSize;
uniform bool solid;
float bar(vec2 p, vec2 half_) { vec2 d = abs(p) - half_; return max(d.x, d.y); }
float shape(vec2 p, float n) {
  const float r = 0.7071068;
  if (n < 0.5) return length(p) - 1.0;
  if (n < 1.5) return bar(p, vec2(0.86));
  if (n < 2.5) return max(abs(p.x) * 0.8944 + p.y * 0.4472 - 0.48, -p.y - 0.78);
  if (n < 3.5) { vec2 q = vec2(p.x + p.y, p.y - p.x) * r; return min(bar(q, vec2(1.15, 0.36)), bar(q, vec2(0.36, 1.15))); }
  if (n < 4.5) return (abs(p.x) + abs(p.y)) * r - 0.82;
  if (n < 5.5) return max(abs(p.x) * 0.8944 - p.y * 0.4472 - 0.48, p.y - 0.78);
  if (n < 6.5) return min(bar(p, vec2(1.1, 0.36)), bar(p, vec2(0.36, 1.1)));
  return max(abs(p.x) * 0.866 + abs(p.y) * 0.5, abs(p.y)) - 0.9;
}
void main() {
  vec2 p = (gl_PointCoord * 2.0 - 1.0) * (vSize * 1.3 + 2.0) / vSize;
  float d = shape(vec2(p.x, -p.y), floor(vEdge.a * 255.0 + 0.5)) * vSize;
  float inside = 1.0 - smoothstep(-0.6, 0.4, d);
  float whole = 1.0 - smoothstep(0.5, 1.5, d);
  if (whole < (solid ? 0.4 : 0.01)) discard;
  vec3 c = hazy(mix(vEdge.rgb, vFill.rgb, inside));
  float a = opacity * mix(0.85 * whole, whole, inside);
  color = vec4(c * a, a);
}

@segments.vertex
in uvec2 ends;
uniform float radius;
out float vSide;
out float vStretch;
void main() {
  int corner = gl_VertexID & 3;
  vec3 p = place(ends.x), q = place(ends.y);
  vec4 a = camera * vec4(p, 1.0), b = camera * vec4(q, 1.0);
  bool second = corner > 1;
  vec2 d = (b.xy / b.w - a.xy / a.w) * size;
  float long_ = length(d);
  d = long_ > 1e-6 ? d / long_ : vec2(1.0, 0.0);
  float side = (corner & 1) == 0 ? 1.0 : -1.0;
  float reach = radius + 1.0;
  vec4 at = second ? b : a;
  vec2 shift = (vec2(-d.y, d.x) * side + d * (second ? 0.4 : -0.4) * radius / reach) * reach * 2.0 / size;
  at.xy += shift * at.w;
  at.z -= 0.0015 * at.w;
  gl_Position = (a.w > 0.01 && b.w > 0.01) ? at : vec4(2.0, 2.0, 2.0, 1.0);
  vSide = side * reach;
  vFill = fill;
  vFog = fog(second ? q : p);
  vStretch = texelFetch(scalars, cell(second ? ends.y : ends.x), 0).y;
}

@segments.fragment
in float vSide;
in float vStretch;
uniform float radius;
uniform bool solid;
uniform int tint;
uniform vec3 ramp[3];
uniform float limit;
void main() {
  float cover = clamp(radius + 0.5 - abs(vSide), 0.0, 1.0) * min(1.0, radius * 2.0);
  if (cover < (solid ? 0.35 : 0.01)) discard;
  float s = clamp(vStretch / limit, -1.0, 1.0);
  vec3 c = tint == 2 ? mix(ramp[1], s < 0.0 ? ramp[0] : ramp[2], abs(s)) : vFill.rgb;
  float a = opacity * cover;
  color = vec4(hazy(c) * a, a);
}

@triangles.vertex
in uint id;
out vec3 vPlace;
out vec2 vScalars;
flat out float vClass;
void main() {
  vec3 p = place(id);
  vec3 s = texelFetch(scalars, cell(id), 0).xyz;
  gl_Position = camera * vec4(p, 1.0);
  vPlace = p;
  vScalars = s.xy;
  vClass = s.z;
  vFill = fill;
  vFog = fog(p);
}

@triangles.fragment
in vec3 vPlace;
in vec2 vScalars;
flat in float vClass;
uniform int tint; // 0 the fill, 1 sides of the boundary, 2 stretch, 3 predicted classes
uniform bool lit;
uniform vec3 light;
uniform vec3 ramp[3];
uniform float limit;
uniform vec3 classes[8];
void main() {
  vec3 c = vFill.rgb;
  float a = opacity;
  if (tint == 2) {
    float s = clamp(vScalars.y / limit, -1.0, 1.0);
    c = mix(ramp[1], s < 0.0 ? ramp[0] : ramp[2], abs(s));
  } else if (tint == 3) {
    c = classes[int(vClass + 0.5) & 7];
  } else if (tint == 1) {
    c = vScalars.x > 0.0 ? classes[1] : classes[0];
  }
  if (lit) {
    vec3 n = normalize(cross(dFdx(vPlace), dFdy(vPlace)));
    float facing = abs(dot(n, normalize(light)));
    c *= 0.55 + 0.5 * facing;
    c += 0.10 * pow(facing, 24.0);
  }
  color = vec4(hazy(c) * a, a);
}
