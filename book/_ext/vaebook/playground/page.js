/* The playground's controls and pictures. The training itself runs in `vaeSession`, in a worker where there is one. */
(function () {
  "use strict";

  const BETAS = [0, 0.25, 0.5, 1, 2, 4, 10, 20];
  const LEARNING_RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
  const SIDE = 8; // pixels along an image
  const MOST_POINTS = 400; // of a curve; beyond, every second one goes
  const QUIET = 15000; // milliseconds between two announcements of a running training
  const CALM = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const INTERVAL = CALM ? 1500 : 100; // milliseconds between two pictures
  const SLICE = { worker: 60, page: 8 }; // milliseconds of training at a time

  const GRID_SAYS = {
    1: "What the decoder draws for codes from −2.5 to 2.5, line after line.",
    2: "What the decoder draws for codes of the dashed square.",
    4: "Every two rows, one dimension goes from −2.5 to 2.5; the others stay at 0.",
    8: "In every row, one dimension goes from −2.5 to 2.5; the others stay at 0.",
  };

  const part = (name) => document.getElementById(`play-${name}`);
  const controls = part("controls");
  if (!controls) return;

  let seed = 1;
  let shown = null; // the report on display
  let history = [];
  let pair = [0, 1]; // the dimensions of the map
  let announced = -Infinity;

  // --- the training: in a worker, else in slices in the page -------------------------------------

  function connect(receive) {
    const options = (slice) => ({ slice, interval: INTERVAL });
    const here = () => vaeSession(vaeEngine(), vaeDigits, receive, options(SLICE.page));
    let send;
    try {
      // A worker from a blob: a page opened from disk may not load one from a file.
      const source = [
        vaeEngine,
        vaeSession,
        `const vaeDigits = ${JSON.stringify(vaeDigits)};`,
        `onmessage = (() => {
          const options = ${JSON.stringify(options(SLICE.worker))};
          const obey = vaeSession(vaeEngine(), vaeDigits, postMessage, options);
          return (event) => obey(event.data);
        })();`,
      ].join("\n");
      const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      const worker = new Worker(address);
      worker.onmessage = (event) => receive(event.data);
      worker.onerror = (event) => {
        if (shown) throw new Error(event.message); // it did start: a fault of ours, which must be seen
        event.preventDefault();
        send = here(); // a browser or a policy that forbids such workers
        send({ do: "reset", settings: settings() });
      };
      send = (message) => worker.postMessage(message);
    } catch {
      send = here();
    }
    return (message) => send(message);
  }

  const settings = () => ({
    objective: controls.objective.value,
    latent: Number(controls.latent.value),
    beta: BETAS[part("beta").value],
    learningRate: LEARNING_RATES[part("learning-rate").value],
    seed,
  });

  // --- colours and surfaces ----------------------------------------------------------------------

  /** The theme's colours, read again when the reader changes it. */
  let theme;

  function readTheme() {
    const style = getComputedStyle(controls.closest(".play"));
    const colour = (name) => style.getPropertyValue(`--play-${name}`).trim();
    const channels = (name) => colour(name).match(/[\da-f]{2}/gi).map((two) => parseInt(two, 16));
    theme = {
      classes: Array.from({ length: 10 }, (_, digit) => colour(`class-${digit}`)),
      cloud: Number(colour("cloud")),
      paper: channels("paper"),
      ink: channels("ink"),
      ...Object.fromEntries(["text", "muted", "faint", "train", "test"].map((name) => [name, colour(name)])),
      sans: style.getPropertyValue("--vae-sans"),
    };
  }

  /** A cleared canvas to draw on in CSS pixels. */
  function surface(canvas) {
    const { clientWidth: width, clientHeight: height } = canvas;
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const pen = canvas.getContext("2d");
    pen.scale(density, density);
    return { pen, width, height };
  }

  const scratch = document.createElement("canvas");

  /** Images (n × 64, ink between 0 and 1) in rows of `columns`, `gap` CSS pixels apart and `margin` from the edge. */
  function drawImages(canvas, images, columns, { gap, margin, soft }) {
    const { pen, width } = surface(canvas);
    const rows = images.length / (SIDE * SIDE) / columns;
    const side = (width - 2 * margin - gap * (columns - 1)) / columns;
    const place = (i) => margin + i * (side + gap);
    scratch.width = columns * SIDE;
    scratch.height = rows * SIDE;
    const ink = scratch.getContext("2d");
    const picture = ink.createImageData(scratch.width, scratch.height);
    images.forEach((value, i) => {
      const [image, pixel] = [Math.floor(i / (SIDE * SIDE)), i % (SIDE * SIDE)];
      const x = (image % columns) * SIDE + (pixel % SIDE);
      const y = Math.floor(image / columns) * SIDE + Math.floor(pixel / SIDE);
      const at = 4 * (y * scratch.width + x);
      for (let k = 0; k < 3; k++) picture.data[at + k] = theme.paper[k] + value * (theme.ink[k] - theme.paper[k]);
      picture.data[at + 3] = 255;
    });
    ink.putImageData(picture, 0, 0);
    pen.imageSmoothingEnabled = soft;
    pen.imageSmoothingQuality = "high";
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const corner = [column * SIDE, row * SIDE, SIDE, SIDE];
        pen.drawImage(scratch, ...corner, place(column), place(row), side, side);
      }
    }
  }

  // --- the map -----------------------------------------------------------------------------------

  /** The two dimensions in which held-out codes differ most; others must be clearly wider to take their place. */
  function choosePair(spreads) {
    const ranked = spreads.map((_, k) => k).sort((a, b) => spreads[b] - spreads[a]);
    const best = ranked.slice(0, 2).sort((a, b) => a - b);
    const total = (two) => two.reduce((sum, k) => sum + (spreads[k] ?? -Infinity), 0);
    if (pair.length !== best.length || !(total(pair) > 0.7 * total(best))) pair = best;
  }

  /** Half the width of the map: 3.5 holds the prior; an autoencoder's codes, which nothing holds, need more. */
  function reach(report) {
    const sizes = Float32Array.from(report.codes.mean, Math.abs).sort();
    const most = sizes[Math.floor(0.99 * (sizes.length - 1))];
    return [3.5, 5, 7, 10, 14, 20, 30, 50, 100].find((limit) => limit > most) ?? 200;
  }

  const subscript = (k) => String.fromCharCode(0x2081 + k);

  /** One, two and three standard deviations of the prior, and the square that the decoder's picture shows. */
  function drawPrior(pen, { settings: { latent }, extent }, x, y, height) {
    pen.strokeStyle = theme.muted;
    pen.lineWidth = 1;
    pen.globalAlpha = 0.45;
    for (const radius of [1, 2, 3]) {
      pen.beginPath();
      if (latent > 1) pen.ellipse(x(0), y(0), x(radius) - x(0), x(radius) - x(0), 0, 0, 2 * Math.PI);
      else for (const side of [-radius, radius]) pen.rect(x(side), 0, 0, height);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    if (latent !== 2) return;
    pen.strokeStyle = theme.text;
    pen.setLineDash([4, 4]);
    pen.strokeRect(x(-extent), y(extent), x(extent) - x(-extent), y(-extent) - y(extent));
    pen.setLineDash([]);
  }

  function drawMap(report) {
    const { pen, width, height } = surface(part("map"));
    const { latent, objective } = report.settings;
    const limit = reach(report);
    const scale = width / 2 / limit;
    const x = (value) => width / 2 + value * scale;
    const y = (value) => height / 2 - value * scale;
    const labels = vaeDigits.test.labels;
    const lane = (digit) => ((Number(digit) + 0.5) / 10) * height; // in one dimension each digit has a lane

    const place = (i) => {
      const at = i * latent;
      const across = report.codes.mean[at + pair[0]];
      return latent > 1 ? [x(across), y(report.codes.mean[at + pair[1]])] : [x(across), lane(labels[i])];
    };
    if (objective === "vae") {
      pen.globalAlpha = theme.cloud;
      for (let i = 0; i < labels.length; i++) {
        const sigma = (k) => Math.min(Math.exp(0.5 * report.codes.logVar[i * latent + k]) * scale, 4 * width);
        pen.fillStyle = theme.classes[labels[i]];
        pen.beginPath();
        pen.ellipse(...place(i), sigma(pair[0]), latent > 1 ? sigma(pair[1]) : height / 30, 0, 0, 2 * Math.PI);
        pen.fill();
      }
      pen.globalAlpha = 1;
    }
    pen.font = `700 ${width > 300 ? 11 : 10}px ${theme.sans}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let i = 0; i < labels.length; i++) {
      pen.fillStyle = theme.classes[labels[i]];
      pen.fillText(labels[i], ...place(i));
    }
    drawPrior(pen, report, x, y, height);
    pen.font = `500 11px ${theme.sans}`;
    pen.fillStyle = theme.muted;
    pen.textAlign = "right";
    pen.fillText(`z${subscript(pair[0])}: −${limit} to ${limit}`, width - 8, height - 12);
    pen.textAlign = "left";
    if (latent > 1) pen.fillText(`z${subscript(pair[1])}`, 8, 14);
  }

  // --- curves ------------------------------------------------------------------------------------

  /** Round numbers between `low` and `high`, about `count` of them. */
  function ticks(low, high, count) {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
    const found = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) found.push(tick);
    return found;
  }

  const short = (value) =>
    value >= 1000 ? `${Number((value / 1000).toFixed(1))}k` : String(Number(value.toFixed(value < 1 ? 2 : 1)));

  /** The range of what came after the first quarter of the steps: the fall at the start would flatten the rest. */
  function range(lines, from) {
    const late = lines.flatMap((line) => line.filter(([steps]) => steps >= from).map(([, value]) => value));
    const [low, high] = [Math.min(...late), Math.max(...late)];
    const margin = Math.max(0.1 * (high - low), 0.25);
    return [Math.max(0, low - margin), high + margin];
  }

  function drawCurve(name, of) {
    const { pen, width, height } = surface(part(name));
    const [left, right, top, bottom] = [30, width - 6, 8, height - 20];
    pen.font = `500 11px ${theme.sans}`;
    pen.fillStyle = theme.muted;
    pen.textBaseline = "middle";
    const lines = ["train", "test"].map((which) => history.map((one) => [one.steps, of(one[which])]));
    if (lines[0].some(([, value]) => value === null)) {
      pen.textAlign = "center";
      pen.fillText("an autoencoder has none", (left + right) / 2, (top + bottom) / 2);
      return;
    }
    const last = Math.max(history.at(-1).steps, 1);
    const [low, high] = range(lines, last / 4);
    const x = (steps) => left + (steps / last) * (right - left);
    const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
    pen.strokeStyle = theme.faint;
    pen.textAlign = "right";
    for (const tick of ticks(low, high, 4)) {
      pen.fillText(short(tick), left - 6, y(tick));
      pen.strokeRect(left, y(tick), right - left, 0);
    }
    pen.textAlign = "left";
    pen.fillText("0", left, bottom + 12);
    pen.textAlign = "right";
    pen.fillText(`step ${last}`, right, bottom + 12);
    pen.save();
    pen.beginPath();
    pen.rect(left, top - 2, right - left, bottom - top + 4);
    pen.clip();
    pen.lineJoin = "round";
    pen.lineWidth = 2;
    lines.forEach((line, i) => {
      pen.strokeStyle = i ? theme.test : theme.train;
      pen.setLineDash(i ? [] : [5, 3]);
      pen.beginPath();
      for (const [steps, value] of line) pen.lineTo(x(steps), y(value));
      pen.stroke();
    });
    pen.restore();
  }

  function remember(report) {
    if (history.length && history.at(-1).steps === report.steps) history.pop();
    history.push({ steps: report.steps, train: report.train, test: report.test });
    if (history.length > MOST_POINTS) history = history.filter((_, i) => i % 2 === 0 || i === history.length - 1);
  }

  // --- words -------------------------------------------------------------------------------------

  const nats = (value) => (value === null ? "–" : value.toFixed(value < 100 ? 2 : 0));
  const loss = ({ rate, distortion }) => (rate === null ? null : rate + distortion);

  function writeNumbers(report) {
    for (const which of ["train", "test"]) {
      part(`${which}-distortion`).textContent = nats(report[which].distortion);
      part(`${which}-rate`).textContent = nats(report[which].rate);
      part(`${which}-loss`).textContent = nats(loss(report[which]));
    }
    const words = [`step ${report.steps}`, `epoch ${report.epochs.toFixed(report.epochs < 10 ? 1 : 0)}`];
    const { objective, latent } = report.settings;
    if (objective === "vae") words.push(`${report.active} of ${latent} dimensions in use`);
    if (report.speed) words.push(`${Math.round(report.speed)} steps a second`);
    part("progress").textContent = report.sound
      ? words.join(" · ")
      : "The weights are no longer finite: this learning rate was too high. Choose a lower one and reset.";
  }

  function writeCaptions({ settings: { latent, objective } }) {
    const what = latent > 1 ? "Each figure is the code of a held-out image" : "Codes of held-out images, digit by digit";
    const cloud = objective === "vae" ? ", its cloud the spread σ" : "";
    const rings = `${latent > 1 ? "Rings" : "Lines"}: 1, 2, 3 σ of the prior.`;
    const which = latent > 2 ? ` The two most used of ${latent} dimensions.` : "";
    part("map-says").textContent = `${what}${cloud}. ${rings}${which}`;
    part("grid-says").textContent = GRID_SAYS[latent];
  }

  /** What a screen reader is told, now and then, and what each picture is called. */
  function describe(report) {
    const { objective, latent } = report.settings;
    const plain = report.test.rate === null;
    const both = (of) => `training ${nats(of(report.train))}, held out ${nats(of(report.test))} nats`;
    const distortion = `distortion ${nats(report.test.distortion)}`;
    const told = plain ? `${distortion} nats` : `${distortion}, rate ${nats(report.test.rate)} nats`;
    const said = `Step ${report.steps}. Held-out images: ${told}.`;
    part("status").textContent = report.sound ? said : part("progress").textContent;

    const model = `${objective === "vae" ? "VAE" : "autoencoder"}, latent size ${latent}, step ${report.steps}`;
    const names = {
      map: `Map of the codes of held-out digits: ${model}. They reach to about ${reach(report)}.`,
      grid: `Images decoded from a grid of codes: ${model}.`,
      copies: `Reconstructions of the ten images above: ${model}.`,
      samples: `Ten images decoded from draws of the prior: ${model}.`,
      distortion: `Curves of the distortion: ${both((one) => one.distortion)}.`,
      rate: plain ? "An autoencoder has no rate." : `Curves of the rate: ${both((one) => one.rate)}.`,
      loss: plain ? "An autoencoder has no ELBO." : `Curves of −ELBO: ${both(loss)}.`,
    };
    for (const [name, words] of Object.entries(names)) part(name).setAttribute("aria-label", words);
  }

  // --- showing -----------------------------------------------------------------------------------

  function draw() {
    if (!shown) return;
    drawMap(shown);
    drawImages(part("grid"), shown.grid, shown.side, { gap: 2, margin: 8, soft: true });
    drawImages(part("originals"), shown.originals, 10, { gap: 4, margin: 0, soft: false });
    for (const name of ["copies", "samples"]) drawImages(part(name), shown[name], 10, { gap: 4, margin: 0, soft: true });
    drawCurve("distortion", (one) => one.distortion);
    drawCurve("rate", (one) => one.rate);
    drawCurve("loss", loss);
  }

  function show(report) {
    const fresh = !shown || report.steps < shown.steps;
    shown = report;
    if (fresh) history = [];
    if (report.sound) remember(report);
    choosePair(report.spreads);
    writeNumbers(report);
    writeCaptions(report);
    part("run").textContent = report.running ? "Pause" : "Start";
    part("run").disabled = part("step").disabled = !report.sound;
    if (report.sound) draw();
    const now = performance.now();
    if (!report.running || now - announced > QUIET) {
      describe(report);
      announced = now;
    }
    requestAnimationFrame(() => send({ do: "drawn" }));
  }

  // --- controls ----------------------------------------------------------------------------------

  let send;

  function reset() {
    part("run").textContent = "Start";
    shown = shown && { ...shown, steps: Infinity }; // whatever comes next is new
    send({ do: "reset", settings: settings() });
  }

  function writeValues() {
    const { beta, learningRate } = settings();
    for (const [name, value] of [["beta", beta], ["learning-rate", learningRate]]) {
      part(`${name}-value`).textContent = String(value);
      part(name).setAttribute("aria-valuetext", String(value));
    }
    part("beta").disabled = controls.objective.value === "autoencoder";
  }

  function begin() {
    readTheme();
    send = connect(show);
    controls.addEventListener("submit", (event) => event.preventDefault());
    part("run").addEventListener("click", () => {
      const starts = part("run").textContent === "Start";
      part("run").textContent = starts ? "Pause" : "Start";
      send({ do: starts ? "start" : "pause" });
    });
    part("step").addEventListener("click", () => send({ do: "step" }));
    part("reset").addEventListener("click", () => {
      seed += 1; // other weights, another order
      reset();
    });
    controls.addEventListener("change", (event) => {
      if (event.target.type === "radio") reset();
    });
    controls.addEventListener("input", (event) => {
      writeValues();
      if (event.target.type === "range") send({ do: "tune", settings: settings() });
    });
    part("slow").addEventListener("change", () => send({ do: "pace", slow: part("slow").checked }));
    for (const control of controls.querySelectorAll("[disabled]")) control.disabled = false;
    part("beta").max = BETAS.length - 1; // no second list to forget
    part("learning-rate").max = LEARNING_RATES.length - 1;
    controls.reset(); // a browser that kept the reader's choices would show others than the training has
    writeValues();
    reset();
    new MutationObserver(() => {
      readTheme();
      draw();
    }).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    new ResizeObserver(draw).observe(part("map"));
    addEventListener("resize", draw); // a zoom may leave the width alone
  }

  begin();
})();
