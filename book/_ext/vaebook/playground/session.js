/* A training that runs while somebody watches: it obeys messages, and reports what there is to see.
 *
 *     const receive = vaeSession(vaeEngine(), vaeDigits, post, { slice: 8, interval: 100 });
 *     receive({ do: "reset", settings });      // then "start", "pause", "step", "tune", "pace", "drawn"
 *
 * The same code runs in a worker and, where there is none, in the page itself, in slices of `pace.slice` milliseconds.
 * A report is posted at most every `pace.interval` milliseconds, and never before the last one has been "drawn".
 */
function vaeSession(engine, digits, post, pace) {
  "use strict";

  const EXTENT = 2.5; // the picture of what the decoder draws is for codes between −EXTENT and EXTENT
  const SIDES = { 1: 15, 2: 15, 4: 8, 8: 8 }; // images along that picture's side, by latent size
  const SLOW = 50; // milliseconds a step in slow motion
  const CLASSES = 10;

  let training;
  let priorCodes;
  let examples;
  let running = false;
  let slow = false;
  let drawn = true;
  let timer;
  let last = { steps: 0, time: 0, cost: 0 }; // when the last report was made, and the milliseconds that it took

  // --- what is looked at -------------------------------------------------------------------------

  /** Codes that the decoder is asked to draw: a square in two dimensions, else one dimension after the other. */
  function gridCodes(latent, side) {
    const codes = new Float32Array(side * side * latent);
    const each = latent === 2 ? side : (side * side) / latent; // values that one dimension takes
    const along = (i) => EXTENT * ((2 * i) / (each - 1) - 1);
    for (let i = 0; i < side * side; i++) {
      if (latent === 2) codes.set([along(i % side), -along(Math.floor(i / side))], 2 * i); // large z₂ on top
      else codes[i * latent + Math.floor(i / each)] = along(i % each);
    }
    return codes;
  }

  /** One held-out image of each digit. */
  function oneOfEach() {
    const { PIXELS } = engine;
    const x = new Float32Array(CLASSES * PIXELS);
    for (let digit = 0; digit < CLASSES; digit++) {
      const row = digits.test.labels.indexOf(digit);
      x.set(training.images.test.subarray(row * PIXELS, (row + 1) * PIXELS), digit * PIXELS);
    }
    return x;
  }

  function report() {
    const { model, settings, steps } = training;
    const time = performance.now();
    const codes = training.codes(training.images.test);
    const spreads = engine.spreads(codes.mean, settings.latent);
    const sound = model.weights.all.every(Number.isFinite);
    if (!sound) running = false;
    post({
      settings: { ...settings },
      steps,
      epochs: steps / Math.ceil(training.order.length / engine.BATCH),
      speed: running ? (1000 * (steps - last.steps)) / (time - last.time) : null,
      running,
      sound,
      train: training.measure("train"),
      test: training.measure("test"),
      codes,
      spreads,
      active: spreads.filter((spread) => spread > engine.ACTIVE).length,
      extent: EXTENT,
      side: SIDES[settings.latent],
      grid: model.images(gridCodes(settings.latent, SIDES[settings.latent])),
      originals: examples,
      copies: model.images(training.codes(examples).mean),
      samples: model.images(priorCodes),
    });
    drawn = false;
    last = { steps, time, cost: performance.now() - time };
  }

  // --- the loop ----------------------------------------------------------------------------------

  function run() {
    const end = performance.now() + pace.slice;
    do training.step();
    while (!slow && performance.now() < end);
    const due = last.time + Math.max(pace.interval, 4 * last.cost); // most of the time is for training
    if (drawn && performance.now() >= due) report();
    if (running) timer = setTimeout(run, slow ? SLOW : 0);
  }

  function halt() {
    running = false;
    clearTimeout(timer);
  }

  const obey = {
    reset({ settings }) {
      halt();
      training = new engine.Training(digits, settings);
      priorCodes = new engine.Random(0).normals(CLASSES * settings.latent);
      examples = oneOfEach();
      report();
    },
    tune({ settings }) {
      Object.assign(training.settings, settings);
    },
    pace({ slow: wanted }) {
      slow = wanted;
    },
    start() {
      halt();
      running = true;
      Object.assign(last, { steps: training.steps, time: performance.now() });
      run();
    },
    pause() {
      halt();
      report();
    },
    step() {
      halt();
      training.step();
      report();
    },
    drawn() {
      drawn = true;
    },
  };

  return (message) => obey[message.do](message);
}
