/* Interpolation: two ways from one code to another, and the images on them. */

const FRAMES = 9;
const norm = (v) => Math.hypot(...v);

const lerp = (a, b, t) => a.map((v, i) => (1 - t) * v + t * b[i]);

/** Turns evenly from a to b, as `latent.slerp` has it: the direction on an arc, the length apart. */
function slerp(a, b, t) {
  const [long, short] = [norm(a), norm(b)];
  const [u, v] = [a.map((x) => x / long), b.map((x) => x / short)];
  const angle = 2 * Math.atan2(norm(u.map((x, i) => v[i] - x)), norm(u.map((x, i) => v[i] + x)));
  const [from, to] = angle ? [Math.sin((1 - t) * angle), Math.sin(t * angle)].map((x) => x / Math.sin(angle)) : [1, 0];
  return u.map((x, i) => ((1 - t) * long + t * short) * (from * x + to * v[i]));
}

function interpolation({ stage, data, sliders: [slider], network }) {
  const layers = unpack(network.get("layers"), network.get("weights"));
  const { a, b, shape, mean } = data;
  const image = (z) => decode(layers, mean, z, shape);
  stage.classList.add("vae-ways");
  const ways = [["straight (lerp)", lerp], ["on an arc (slerp)", slerp]].map(([name, way]) => {
    const size = { width: shape[1], height: shape[0] };
    const now = make("canvas", { class: "vae-image", role: "img", ...size });
    const strip = make("div", { class: "vae-strip", "aria-hidden": "true" });
    for (let i = 0; i < FRAMES; i++) {
      const frame = make("canvas", { class: "vae-image", ...size });
      paint(frame, image(way(a, b, i / (FRAMES - 1))));
      strip.append(frame);
    }
    const words = make("p", { class: "vae-readout" });
    stage.append(make("div", { class: "vae-way" }, make("b", {}, name), now, strip, words));
    return { name, way, now, strip, words };
  });
  return () => {
    const t = slider.get("value");
    for (const { name, way, now, strip, words } of ways) {
      const z = way(a, b, t);
      paint(now, image(z));
      now.setAttribute("aria-label", `${name}: image at ${Math.round(100 * t)} % of the way`);
      words.textContent = `length of the code: ${norm(z).toFixed(2)}`;
      [...strip.children].forEach((frame, i) => frame.classList.toggle("vae-now", i === Math.round(t * (FRAMES - 1))));
    }
  };
}

export default { render: (context) => perform(context, interpolation) };
