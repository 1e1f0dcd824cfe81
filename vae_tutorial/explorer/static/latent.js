/* LatentExplorer: the plane of codes, to drag in, and the image that the decoder draws there. */

/** Codes of the plane's background, one glyph a class, drawn once for each size and theme. */
function backgroundOf({ points, classes, glyphs, extent, axes }, colours, width, height) {
  const { canvas, fit } = sharpCanvas();
  Object.defineProperties(canvas, { clientWidth: { value: width }, clientHeight: { value: height } });
  const { context } = fit();
  const at = (z, up) => ((z * (up ? -1 : 1) + extent) / (2 * extent)) * (up ? height : width);
  context.strokeStyle = colours.faint;
  context.lineWidth = 1;
  for (const value of ticks([-extent, extent], 6)) {
    context.globalAlpha = value === 0 ? 1 : 0.55;
    context.strokeStyle = value === 0 ? colours.muted : colours.faint;
    context.beginPath();
    context.moveTo(at(value), 0);
    context.lineTo(at(value), height);
    context.moveTo(0, at(value, true));
    context.lineTo(width, at(value, true));
    context.stroke();
  }
  const type = width < 300 ? 9 : 11.5;
  context.globalAlpha = 0.8;
  Object.assign(context, { font: `600 ${type}px ${colours.font}`, textAlign: "center", textBaseline: "middle" });
  for (let i = 0; i < classes.length; i++) {
    context.fillStyle = colours[classes[i] % 10];
    context.fillText(glyphs[classes[i]], at(points[2 * i]), at(points[2 * i + 1], true));
  }
  context.fillStyle = colours.muted;
  context.globalAlpha = 1;
  context.fillText(axes[0], width - 12, height / 2 - 11);
  if (axes[1]) context.fillText(axes[1], width / 2 + 12, 12);
  return canvas;
}

function latent({ stage, model, data, sliders, network, signal, title }) {
  const layers = unpack(network.get("layers"), network.get("weights"));
  const { points, classes, extent, names, shape, mean, dims, subscripts } = data;
  const [across, up] = sliders;
  const axes = subscripts.slice(0, 2).map((s) => `z${s}`);
  stage.classList.add("vae-latent");

  const { canvas: plane, fit } = sharpCanvas({
    class: "vae-plane",
    tabindex: 0,
    role: "slider",
    "aria-label": `${title}: plane of codes; drag, or use the arrow keys`,
    "aria-valuemin": -extent,
    "aria-valuemax": extent,
  });
  const image = make("canvas", { class: "vae-image", role: "img", width: shape[1], height: shape[0] });
  const legend = make("ul", { class: "vae-legend" });
  names.forEach((name, i) => {
    const glyph = make("b", { style: `color: var(--vae-${i % 10})` }, data.glyphs[i]);
    legend.append(make("li", {}, glyph, ...(name === data.glyphs[i] ? [] : [` ${name}`])));
  });
  const side = make("div", { class: "vae-side" }, image, legend, make("p", { class: "vae-note" }, data.note));
  stage.append(plane, side);

  draggable(
    plane,
    (x, y) => {
      turn(across, (2 * x - 1) * extent);
      if (up) turn(up, (2 * y - 1) * extent);
    },
    signal,
  );
  steered(plane, across, up, signal);

  const colours = coloursOf(stage);
  let background;
  let drawn;
  return () => {
    const z = [...model.get("data").origin]; // which a kernel may move
    sliders.forEach((slider, i) => (z[dims[i]] = slider.get("value")));
    paint(image, decode(layers, mean, z, shape));
    const words = sliders.map((slider, i) => `z${subscripts[i]} ${signed(slider.get("value"))}`).join(", ");
    image.setAttribute("aria-label", `Decoded image at ${words}`);
    plane.setAttribute("aria-valuenow", across.get("value"));
    plane.setAttribute("aria-valuetext", words);

    const { context, width, height } = fit();
    const look = [width, height, colours.ink, window.devicePixelRatio].join();
    if (drawn !== look) {
      background = backgroundOf({ points, classes, glyphs: data.glyphs, extent, axes }, colours, width, height);
      drawn = look;
    }
    if (width && height) context.drawImage(background, 0, 0, width, height);
    const x = (across.get("value") / extent + 1) * (width / 2);
    const y = (1 - (up ? up.get("value") : 0) / extent) * (height / 2);
    for (const [colour, thick] of [[colours.paper, 7], [colours.accent, 3.5]]) {
      context.beginPath();
      context.arc(x, y, 9, 0, 7);
      Object.assign(context, { strokeStyle: colour, lineWidth: thick });
      context.stroke();
    }
  };
}

export default { render: (context) => perform(context, latent) };
