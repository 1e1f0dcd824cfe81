/* KLExplorer: a Gaussian beside the standard normal, and its place in the landscape of the divergence. */

const LEVELS = [0.1, 0.5, 1, 2, 4];

function divergence({ stage, sliders, signal, title }) {
  const [mu, sigma] = sliders;
  const label = `${title}: landscape over μ and σ; drag, or use the arrow keys`;
  const bounds = { "aria-valuemin": mu.get("min"), "aria-valuemax": mu.get("max") };
  const { canvas, fit, say } = drawingWithWords(stage, { tabindex: 0, role: "slider", "aria-label": label, ...bounds });
  const colours = coloursOf(stage);
  let landscape;
  draggable(
    canvas,
    (fx, fy) => {
      const [x, y] = within(landscape, canvas, fx, fy);
      if (x < mu.get("min") - 0.5) return; // the left panel has nothing to drag
      turn(mu, x);
      turn(sigma, y);
    },
    signal,
  );
  steered(canvas, mu, sigma, signal);

  return () => {
    const [m, s] = [mu.get("value"), sigma.get("value")];
    const kl = 0.5 * (m * m + s * s - 1) - Math.log(s);
    const slope = [m, s - 1 / s];
    const page = fit();
    const [range, top] = [[-4, 4], Math.max(0.8, 1.08 * normal(0, 0, s))];
    const left = new Panel(page, colours, { x: range, y: [0, top], right: 0.5, title: "densities", xlabel: "z" });
    for (const [f, series, dash] of [[(z) => normal(z, 0, 1), 0, [6, 4]], [(z) => normal(z, m, s), 1, []]]) {
      const line = curve(f, ...range, 400);
      left.fill([[range[0], 0], ...line, [range[1], 0]], colours[series]);
      left.stroke(line, colours[series], { dash });
    }
    left.words("prior p", left.x(-3.9), left.y(top * 0.94), { colour: colours[0], bold: true });
    left.words("q", left.x(clip(m, -3.6, 3.6)), left.y(Math.min(normal(0, 0, s), top) * 0.5), { colour: colours[1], bold: true, align: "center" });

    const [x, y] = [mu, sigma].map((slider) => [slider.get("min"), slider.get("max")]);
    landscape = new Panel(page, colours, { x, y: [0, y[1]], left: 0.5, title: "KL in nats", xlabel: "μ", ylabel: "σ" });
    landscape.clipped(() => {
      for (const level of LEVELS) {
        const reach = (at) => Math.sqrt(Math.max(0, 2 * level + 1 - at * at + 2 * Math.log(at)));
        const half = curve(reach, 0.005, y[1], 600).filter(([, reached]) => reached > 0);
        const top = Math.max(...half.map(([at]) => at));
        const around = [...[...half].reverse().map(([at, r]) => [r, at]), ...half.map(([at, r]) => [-r, at])];
        if (top < y[1]) around.push(around[0]); // else it is open where it leaves the picture
        landscape.stroke(around, colours.muted, { width: 1.2 });
        if (top < 0.99 * y[1]) landscape.words(tickWords(level), landscape.x(0), landscape.y(top) - 4, { align: "center", colour: colours.muted });
      }
      const length = Math.min(1, 0.35 * Math.hypot(...slope)) / Math.max(1e-9, Math.hypot(...slope));
      landscape.stroke([[m, s], [m - slope[0] * length, s - slope[1] * length]], colours[0], { width: 3 });
    });
    landscape.ring(m, s);
    canvas.setAttribute("aria-valuenow", m);
    const place = `μ ${signed(m)}, σ ${signed(s)}`;
    say(`KL = ${kl.toFixed(3)} nats.  Its slope: ∂μ = ${signed(slope[0])}, ∂σ = ${signed(slope[1])}`, place);
  };
}

export default { render: (context) => perform(context, divergence) };
