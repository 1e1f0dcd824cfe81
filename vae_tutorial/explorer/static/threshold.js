/* ThresholdExplorer: one threshold, and all that follows from it. A score at or above it raises the alarm. */

const BINS = 40;

/** How many numbers of a sorted list are at or above a value. */
function atLeast(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return sorted.length - low;
}

function threshold({ stage, data, sliders: [slider], signal, title }) {
  const [normals, anomalies] = [data.normal, data.anomalous];
  const range = [slider.get("min"), slider.get("max")];
  const label = `${title}: threshold; drag, or use the arrow keys`;
  const bounds = { "aria-valuemin": range[0], "aria-valuemax": range[1] };
  const { canvas, fit, say } = drawingWithWords(stage, { tabindex: 0, role: "slider", "aria-label": label, ...bounds });
  stage.classList.add("vae-scores");
  const table = make("table", { class: "vae-confusion" });
  const cells = [["", "alarm", "none", ""], ["anomalous", "", "", ""], ["normal", "", "", ""]].map((words, i) => {
    const row = make("tr");
    const made = words.map((word, j) => make(i && j ? "td" : "th", i && j ? {} : { scope: j ? "col" : "row" }, word));
    if (!i) [made[0], made[3]] = [make("td"), make("td")]; // no heads: nothing, and the precision
    row.append(...made);
    table.append(row);
    return made;
  });
  canvas.after(table);
  const colours = coloursOf(stage);
  const every = [...normals, ...anomalies].toSorted((u, v) => u - v).filter((v, i, all) => v !== all[i - 1]);
  const point = (at) => {
    const [found, alarms] = [atLeast(anomalies, at), atLeast(normals, at)];
    const [recall, falsely] = [found / anomalies.length, alarms / normals.length];
    return { found, alarms, recall, falsely, precision: found + alarms ? found / (found + alarms) : 1 };
  };
  const points = [...every.map(point), point(Infinity)];
  const bars = (scores) => {
    const counts = new Array(BINS).fill(0);
    for (const s of scores) counts[clip(Math.floor(((s - range[0]) / (range[1] - range[0])) * BINS), 0, BINS - 1)]++;
    return counts.map((n) => n / scores.length);
  };
  const histograms = [bars(normals), bars(anomalies)];
  let panel;
  draggable(canvas, (fx, fy) => fx <= 0.62 && turn(slider, within(panel, canvas, fx, fy)[0]), signal); // not the curves
  steered(canvas, slider, null, signal);

  return () => {
    const stepped = slider.get("value"); // on the step nearest to the threshold as given, that one is meant
    const at = Math.abs(stepped - data.threshold) <= 0.5001 * slider.get("step") ? data.threshold : stepped;
    const now = point(at);
    const page = fit();
    const top = 1.1 * Math.max(...histograms.flat());
    panel = new Panel(page, colours, { x: range, y: [0, top], right: 0.6, title: "scores", xlabel: data.unit });
    const width = (range[1] - range[0]) / BINS;
    histograms.forEach((counts, series) => {
      const steps = counts.flatMap((n, i) => [[range[0] + i * width, n], [range[0] + (i + 1) * width, n]]);
      panel.fill([[range[0], 0], ...steps, [range[1], 0]], colours[series], 0.22);
      panel.stroke(steps, colours[series], { dash: series ? [] : [5, 3] });
      const name = series ? "anomalous" : "normal";
      panel.words(name, panel.box.right, panel.box.top + panel.font * (1 + 1.4 * series), { align: "right", colour: colours[series], bold: true });
    });
    panel.stroke([[at, 0], [at, top]], colours.accent, { width: 3 });
    const unit = { x: [0, 1], y: [0, 1], left: 0.62, ylabel: " " };
    const narrow = page.width < 480; // too low for two: the table has the precision
    const roc = new Panel(page, colours, { ...unit, bottom: narrow ? 1 : 0.5, title: "ROC: found", xlabel: "false alarms" });
    roc.stroke([[0, 0], [1, 1]], colours.muted, { width: 1, dash: [3, 3] });
    roc.stroke(points.map((p) => [p.falsely, p.recall]), colours[2]);
    roc.ring(now.falsely, now.recall, colours.accent, 5);
    if (!narrow) {
      const pr = new Panel(page, colours, { ...unit, top: 0.5, title: "precision", xlabel: "found" });
      pr.stroke(points.slice(0, -1).map((p) => [p.recall, p.precision]), colours[3]);
      pr.ring(now.recall, now.precision, colours.accent, 5);
    }
    const { found, alarms } = now;
    const shares = [`${(100 * now.recall).toFixed(0)} % found`, `${(100 * now.falsely).toFixed(1)} % false alarms`];
    [[found, anomalies.length - found, shares[0]], [alarms, normals.length - alarms, shares[1]]].forEach((row, i) =>
      row.forEach((n, j) => (cells[i + 1][j + 1].textContent = n)),
    );
    cells[0][3].textContent = `${(100 * now.precision).toFixed(0)} % precision`;
    canvas.setAttribute("aria-valuenow", at);
    say(`${shares.join(", ")}, precision ${(100 * now.precision).toFixed(0)} %`, tickWords(+at.toPrecision(6)));
  };
}

export default { render: (context) => perform(context, threshold) };
