/* ELBOExplorer: move q, and see ELBO and gap share out log p(x). Every integral is a sum over a fine grid, wide
 * enough for any q of the sliders: the widest, at the edge, ends 6.25 standard deviations from its mean. */

const GRID = curve(() => 0, -15, 15, 6000).map(([z]) => z);
const STEP = GRID[1] - GRID[0];
const sum = (f) => GRID.reduce((total, z, i) => total + f(z, i), 0) * STEP;
const logNormal = (x, mean, sigma) => -0.5 * ((x - mean) / sigma) ** 2 - Math.log(sigma * Math.sqrt(2 * Math.PI));

/** log p(x), ELBO and KL(q‖p(z|x)), each by its own integral, and the posterior's density on the grid. */
function bound({ slope, noise }, x, mean, sigma) {
  const logJoint = GRID.map((z) => logNormal(z, 0, 1) + logNormal(x, Math.tanh(slope * z), noise));
  const evidence = Math.log(sum((_, i) => Math.exp(logJoint[i])));
  const q = GRID.map((z) => normal(z, mean, sigma));
  const logQ = GRID.map((z) => logNormal(z, mean, sigma));
  return {
    evidence,
    elbo: sum((_, i) => q[i] * (logJoint[i] - logQ[i])),
    gap: sum((_, i) => q[i] * (logQ[i] - (logJoint[i] - evidence))),
    posterior: logJoint.map((value) => Math.exp(value - evidence)),
  };
}

function elbo({ stage, data, sliders }) {
  const { fit, say } = drawingWithWords(stage, { role: "img", "aria-label": "" });
  const colours = coloursOf(stage);
  return () => {
    const [x, mean, sigma] = sliders.map((slider) => slider.get("value"));
    const { evidence, elbo: lower, gap, posterior } = bound(data, x, mean, sigma);
    const page = fit();
    const shown = GRID.map((z, i) => [z, posterior[i]]).filter(([z]) => Math.abs(z) <= 3);
    const top = 1.1 * Math.max(...shown.map(([, p]) => p), Math.min(normal(0, 0, sigma), 4));
    const left = new Panel(page, colours, { x: [-3, 3], y: [0, top], right: 0.62, title: "codes, given x", xlabel: "z" });
    const guess = curve((z) => normal(z, mean, sigma), -3, 3, 300);
    left.clipped(() => {
      for (const [line, series, dash] of [[shown, 0, [6, 4]], [guess, 1, []]]) {
        left.fill([[-3, 0], ...line, [3, 0]], colours[series]);
        left.stroke(line, colours[series], { dash });
      }
    });
    left.words("posterior p(z|x)", left.x(-2.9), left.y(top * 0.94), { colour: colours[0], bold: true });
    left.words("q(z)", left.x(-2.9), left.y(top * 0.94) + left.font * 1.4, { colour: colours[1], bold: true });

    const floor = Math.min(-12, Math.floor(evidence) - 3);
    const right = new Panel(page, colours, { x: [0, 1], y: [floor, 2], left: 0.64, title: "nats", ylabel: " ", xticks: false });
    const end = Math.max(lower, floor);
    right.fill([[0.12, evidence], [0.88, evidence], [0.88, end], [0.12, end]], colours.accent, 0.35);
    right.stroke([[0, evidence], [1, evidence]], colours[0], { width: 3, dash: [6, 4] });
    right.stroke([[0.12, end], [0.88, end]], colours[1], { width: 4 });
    right.words("log p(x)", right.x(0.5), right.y(evidence) - 7, { align: "center", colour: colours[0], bold: true });
    right.words("ELBO", right.x(0.5), right.y(end) + (end > floor + 1 ? right.font * 1.3 : -6), { align: "center", colour: colours[1], bold: true });
    say(`ELBO ${signed(lower, 3)}  +  gap ${gap.toFixed(3)}  =  log p(x) ${signed(evidence, 3)} nats`);
  };
}

export default { render: (context) => perform(context, elbo) };
