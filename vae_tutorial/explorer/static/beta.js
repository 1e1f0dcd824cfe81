/* BetaExplorer: what each trained β pays and gets; its map of codes, and its draws from the prior. */

function sweep({ stage, data, sliders: [chosen] }) {
  const { betas, rates, distortions, codes, classes, samples, shape, extent } = data;
  const { fit, say, canvas } = drawingWithWords(stage, { role: "img", "aria-label": "" });
  const image = make("canvas", { class: "vae-image", role: "img", width: shape[1], height: shape[0] });
  const map = sharpCanvas({ class: "vae-plane", role: "img", "aria-label": "" });
  stage.classList.add("vae-sweep");
  canvas.after(make("div", { class: "vae-side" }, map.canvas, image));
  const bytes = new Uint8Array(samples.buffer ?? samples, samples.byteOffset ?? 0, samples.byteLength);
  const size = bytes.length / betas.length;
  const colours = coloursOf(stage);
  const around = (values) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = 0.12 * (high - low) || 1;
    return [low - room, high + room];
  };
  return () => {
    const now = chosen.get("index");
    const page = fit();
    const panel = new Panel(page, colours, { x: around(rates), y: around(distortions), title: "distortion, nats", xlabel: "rate, nats", ylabel: " " });
    const order = betas.map((_, i) => i).toSorted((i, j) => rates[i] - rates[j]);
    panel.stroke(order.map((i) => [rates[i], distortions[i]]), colours[0]);
    for (const i of order) {
      panel.context.fillStyle = colours[0];
      panel.context.fillRect(panel.x(rates[i]) - 3.5, panel.y(distortions[i]) - 3.5, 7, 7);
    }
    panel.ring(rates[now], distortions[now]);
    const { context, width, height } = map.fit();
    const at = (z, full, up) => ((up ? -z : z) / extent / 2 + 0.5) * full;
    Object.assign(context, { font: `600 ${width < 150 ? 7 : 9}px ${colours.font}`, textAlign: "center", textBaseline: "middle" });
    codes[now].forEach(([a, b], i) => {
      context.fillStyle = colours[classes[i] % 10];
      context.fillText(data.glyphs[classes[i]], at(a, width), at(b, height, true));
    });
    const pixels = bytes.subarray(now * size, (now + 1) * size);
    paint(image, Float32Array.from(pixels, (v) => v / 255));
    map.canvas.setAttribute("aria-label", `Codes of test images at β = ${betas[now]}`);
    image.setAttribute("aria-label", `Images drawn from the prior at β = ${betas[now]}`);
    say(`β = ${betas[now]}: rate ${rates[now].toFixed(1)}, distortion ${signed(distortions[now], 1)} nats an image`);
  };
}

export default { render: (context) => perform(context, sweep) };
