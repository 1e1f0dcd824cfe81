/* A variational autoencoder on 8 × 8 digits, and its training: forward pass, backward pass and Adam, by hand.
 *
 *     const engine = vaeEngine();
 *     const settings = { objective: "vae", latent: 2, beta: 1, learningRate: 3e-3, seed: 1 };
 *     const training = new engine.Training(vaeDigits, settings);
 *     for (let i = 0; i < 500; i++) training.step();
 *     training.measure("test");      // { rate, distortion } in nats per image
 *
 * 64 pixels – 64 hidden units – code – 64 hidden units – 64 logits, ReLU between. The images are black and white, so the
 * likelihood is Bernoulli (Kingma & Welling, 2014). Rate and distortion are nats per image, as in the package, and Keras
 * computes the same numbers and slopes: tests/book/test_playground.py compares them.
 *
 * Everything stands inside one function, so that a page opened from disk, which may fetch nothing, can hand its source
 * to a worker. Why no library: TensorFlow.js 4.22 with its JavaScript back end is 121 KB compressed, this is 6, and on the
 * machine where both were tried it did 84 steps in a second of processor time, this 560.
 */
function vaeEngine() {
  "use strict";

  const PIXELS = 64;
  const HIDDEN = 64;
  const BATCH = 64;
  const LOG_VAR_LIMIT = 30; // exp of it is finite in float32
  const ADAM = { mean: 0.9, square: 0.999, epsilon: 1e-7 }; // Keras's own defaults
  const ACTIVE = 0.01; // variance of a dimension's means over images, as in latent.active_units

  // --- randomness --------------------------------------------------------------------------------

  /** Marsaglia's xorshift128 (2003): the same numbers from the same seed in every browser. */
  class Random {
    constructor(seed) {
      this.state = new Uint32Array(4);
      let word = seed + 1;
      for (let i = 0; i < 4; i++) this.state[i] = word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
      for (let i = 0; i < 20; i++) this.bits(); // seeds that are close must not start alike
      this.spare = null;
    }

    /** A whole number below 2³². */
    bits() {
      const s = this.state;
      let t = s[0];
      t ^= t << 11;
      t ^= t >>> 8;
      s[0] = s[1];
      s[1] = s[2];
      s[2] = s[3];
      return (s[3] = (s[3] ^ (s[3] >>> 19) ^ t) >>> 0);
    }

    /** Uniform in (0, 1). */
    uniform() {
      return (this.bits() + 0.5) / 2 ** 32;
    }

    /** Standard normal, two at a time (Box & Muller, 1958). */
    normal() {
      if (this.spare !== null) {
        const second = this.spare;
        this.spare = null;
        return second;
      }
      const radius = Math.sqrt(-2 * Math.log(this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      this.spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    }

    normals(n) {
      return Float32Array.from({ length: n }, () => this.normal());
    }

    shuffle(order) {
      for (let i = order.length - 1; i > 0; i--) {
        const j = Math.floor(this.uniform() * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
    }
  }

  // --- layers: matrices are flat, row after row; a kernel is (inputs, outputs) -------------------

  const picked = new Uint16Array(BATCH + HIDDEN); // which rows `addRows` takes

  /**
   * target[to …] += Σₖ cₖ · rowₖ of a matrix, where c₀, c₁, … stand in `c` from `first` on, every `stride`.
   * Rows with coefficient zero are left out: white pixels and silent units are half of them. The others are added four
   * at a time, which saves the target three journeys from memory and back.
   */
  function addRows(target, to, matrix, width, c, first, stride, count) {
    let n = 0;
    for (let k = 0; k < count; k++) if (c[first + k * stride] !== 0) picked[n++] = k;
    let k = 0;
    for (; k + 3 < n; k += 4) {
      const [k0, k1, k2, k3] = [picked[k], picked[k + 1], picked[k + 2], picked[k + 3]];
      const [c0, c1] = [c[first + k0 * stride], c[first + k1 * stride]];
      const [c2, c3] = [c[first + k2 * stride], c[first + k3 * stride]];
      const [m0, m1, m2, m3] = [k0 * width, k1 * width, k2 * width, k3 * width];
      for (let j = 0; j < width; j++) {
        target[to + j] += c0 * matrix[m0 + j] + c1 * matrix[m1 + j] + c2 * matrix[m2 + j] + c3 * matrix[m3 + j];
      }
    }
    for (; k < n; k++) {
      const ck = c[first + picked[k] * stride];
      const mk = picked[k] * width;
      for (let j = 0; j < width; j++) target[to + j] += ck * matrix[mk + j];
    }
  }

  /** y = x W + b, for n rows. */
  function dense(x, kernel, bias, y, n) {
    const outputs = bias.length;
    const inputs = kernel.length / outputs;
    for (let row = 0; row < n; row++) {
      for (let j = 0; j < outputs; j++) y[row * outputs + j] = bias[j];
      addRows(y, row * outputs, kernel, outputs, x, row * inputs, 1, inputs);
    }
  }

  /** Add the slopes of a dense layer's kernel and bias, xᵀ dy and the sum of dy, for n rows. */
  function denseSlopes(x, dy, dKernel, dBias, n) {
    const outputs = dBias.length;
    const inputs = dKernel.length / outputs;
    for (let i = 0; i < inputs; i++) addRows(dKernel, i * outputs, dy, outputs, x, i, inputs, n);
    for (let i = 0; i < n * outputs; i++) dBias[i % outputs] += dy[i];
  }

  /** dx = dy Wᵀ, for n rows. Where `gate` has the layer's input, a unit that was silent passes nothing back. */
  function denseBack(dy, kernel, outputs, dx, n, gate) {
    const inputs = kernel.length / outputs;
    for (let row = 0; row < n; row++) {
      for (let i = 0; i < inputs; i++) {
        const at = row * inputs + i;
        dx[at] = gate && !(gate[at] > 0) ? 0 : dot(dy, row * outputs, kernel, i * outputs, outputs);
      }
    }
  }

  /** Σⱼ a[p + j] · b[q + j] in two sums, which do not wait for each other. */
  function dot(a, p, b, q, length) {
    let [even, odd] = [0, 0];
    let j = 0;
    for (; j + 1 < length; j += 2) {
      even += a[p + j] * b[q + j];
      odd += a[p + j + 1] * b[q + j + 1];
    }
    return j < length ? even + odd + a[p + j] * b[q + j] : even + odd;
  }

  /** ReLU, in place. */
  function relu(x, size) {
    for (let i = 0; i < size; i++) if (x[i] < 0) x[i] = 0;
  }

  const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));
  const softplus = (logit) => Math.max(logit, 0) + Math.log1p(Math.exp(-Math.abs(logit)));

  // --- the model ---------------------------------------------------------------------------------

  /** Names and shapes of the weights, in the order in which Keras lists them. */
  const shapes = (latent) => ({
    pixelsKernel: [PIXELS, HIDDEN],
    pixelsBias: [HIDDEN],
    meanKernel: [HIDDEN, latent],
    meanBias: [latent],
    logVarKernel: [HIDDEN, latent],
    logVarBias: [latent],
    codeKernel: [latent, HIDDEN],
    codeBias: [HIDDEN],
    logitsKernel: [HIDDEN, PIXELS],
    logitsBias: [PIXELS],
  });

  /** One array for all weights, and a view of each by name. */
  function allocate(latent) {
    const sizes = Object.entries(shapes(latent)).map(([name, shape]) => [name, shape.reduce((a, b) => a * b)]);
    const all = new Float32Array(sizes.reduce((sum, [, size]) => sum + size, 0));
    const views = { all };
    let start = 0;
    for (const [name, size] of sizes) views[name] = all.subarray(start, (start += size));
    return views;
  }

  class Model {
    constructor(latent, random) {
      this.latent = latent;
      this.weights = allocate(latent);
      this.slopes = allocate(latent);
      for (const [name, [inputs, outputs]] of Object.entries(shapes(latent))) {
        if (outputs === undefined) continue; // a bias begins at zero
        const limit = Math.sqrt(6 / (inputs + outputs)); // Glorot & Bengio (2010), as in the package
        const kernel = this.weights[name];
        for (let i = 0; i < kernel.length; i++) kernel[i] = limit * (2 * random.uniform() - 1);
      }
      const rows = (width) => new Float32Array(BATCH * width);
      for (const name of ["hidden", "unfolded", "dHidden", "dUnfolded"]) this[name] = rows(HIDDEN);
      for (const name of ["mean", "logVar", "z", "dMean", "dLogVar", "dZ"]) this[name] = rows(latent);
      for (const name of ["logits", "dLogits"]) this[name] = rows(PIXELS);
    }

    /** Mean and log-variance of q(z|x) for n ≤ BATCH images. */
    encode(x, n) {
      const w = this.weights;
      dense(x, w.pixelsKernel, w.pixelsBias, this.hidden, n);
      relu(this.hidden, n * HIDDEN);
      dense(this.hidden, w.meanKernel, w.meanBias, this.mean, n);
      dense(this.hidden, w.logVarKernel, w.logVarBias, this.logVar, n);
    }

    /** Logits of n ≤ BATCH codes. */
    decode(z, n) {
      const w = this.weights;
      dense(z, w.codeKernel, w.codeBias, this.unfolded, n);
      relu(this.unfolded, n * HIDDEN);
      dense(this.unfolded, w.logitsKernel, w.logitsBias, this.logits, n);
    }

    /** z = mean + σ·noise for n images; an autoencoder, which has no noise, takes the mean. */
    draw(noise, n) {
      for (let i = 0; i < n * this.latent; i++) {
        this.z[i] = noise ? this.mean[i] + Math.exp(0.5 * clipped(this.logVar[i])) * noise[i] : this.mean[i];
      }
    }

    /** Rate and distortion of n ≤ BATCH black and white images, in nats per image. Without noise it is an autoencoder. */
    forward(x, noise, n) {
      this.encode(x, n);
      this.draw(noise, n);
      this.decode(this.z, n);
      let distortion = 0;
      for (let i = 0; i < n * PIXELS; i++) distortion += softplus(this.logits[i]) - x[i] * this.logits[i];
      let rate = 0;
      for (let i = 0; noise && i < n * this.latent; i++) {
        const logVar = clipped(this.logVar[i]);
        rate += 0.5 * (this.mean[i] ** 2 + Math.exp(logVar) - 1 - logVar);
      }
      return { rate: rate / n, distortion: distortion / n };
    }

    /** After `forward`: the slopes of distortion + β · rate, averaged over the n images, into `slopes`. */
    backward(x, noise, n, beta) {
      const w = this.weights;
      const d = this.slopes;
      d.all.fill(0);
      for (let i = 0; i < n * PIXELS; i++) this.dLogits[i] = (sigmoid(this.logits[i]) - x[i]) / n;
      denseSlopes(this.unfolded, this.dLogits, d.logitsKernel, d.logitsBias, n);
      denseBack(this.dLogits, w.logitsKernel, PIXELS, this.dUnfolded, n, this.unfolded);
      denseSlopes(this.z, this.dUnfolded, d.codeKernel, d.codeBias, n);
      denseBack(this.dUnfolded, w.codeKernel, HIDDEN, this.dZ, n);
      for (let i = 0; i < n * this.latent; i++) {
        if (noise) {
          const logVar = this.logVar[i];
          const variance = Math.exp(clipped(logVar));
          const slope = 0.5 * (this.dZ[i] * noise[i] * Math.sqrt(variance) + (beta * (variance - 1)) / n);
          this.dMean[i] = this.dZ[i] + (beta * this.mean[i]) / n;
          this.dLogVar[i] = Math.abs(logVar) <= LOG_VAR_LIMIT ? slope : 0;
        } else {
          this.dMean[i] = this.dZ[i];
          this.dLogVar[i] = 0;
        }
      }
      denseSlopes(this.hidden, this.dMean, d.meanKernel, d.meanBias, n);
      denseSlopes(this.hidden, this.dLogVar, d.logVarKernel, d.logVarBias, n);
      denseBack(this.dMean, w.meanKernel, this.latent, this.dHidden, n, this.hidden);
      denseBack(this.dLogVar, w.logVarKernel, this.latent, this.dUnfolded, n, this.hidden); // its memory is free now
      for (let i = 0; i < n * HIDDEN; i++) this.dHidden[i] += this.dUnfolded[i];
      denseSlopes(x, this.dHidden, d.pixelsKernel, d.pixelsBias, n);
    }

    /** Mean images of any number of codes: (n × latent) -> (n × 64), values in [0, 1]. */
    images(codes) {
      const out = new Float32Array((codes.length / this.latent) * PIXELS);
      forEachBatch(codes.length / this.latent, (start, n) => {
        this.decode(codes.subarray(start * this.latent, (start + n) * this.latent), n);
        for (let i = 0; i < n * PIXELS; i++) out[start * PIXELS + i] = sigmoid(this.logits[i]);
      });
      return out;
    }
  }

  const clipped = (logVar) => Math.min(Math.max(logVar, -LOG_VAR_LIMIT), LOG_VAR_LIMIT);

  function forEachBatch(count, work) {
    for (let start = 0; start < count; start += BATCH) work(start, Math.min(BATCH, count - start));
  }

  /** Adam: Kingma & Ba (2015), in the form that Keras uses. */
  class Adam {
    constructor(size) {
      this.steps = 0;
      this.mean = new Float32Array(size);
      this.square = new Float32Array(size);
    }

    step(weights, slopes, learningRate) {
      this.steps += 1;
      const scale = (learningRate * Math.sqrt(1 - ADAM.square ** this.steps)) / (1 - ADAM.mean ** this.steps);
      for (let i = 0; i < weights.length; i++) {
        const slope = slopes[i];
        this.mean[i] += (1 - ADAM.mean) * (slope - this.mean[i]);
        this.square[i] += (1 - ADAM.square) * (slope * slope - this.square[i]);
        weights[i] -= (scale * this.mean[i]) / (Math.sqrt(this.square[i]) + ADAM.epsilon);
      }
    }
  }

  // --- training ----------------------------------------------------------------------------------

  /** Images as zeros and ones: each is written as 16 hexadecimal digits, four pixels in one. */
  function unpack(hexadecimal) {
    const x = new Float32Array(4 * hexadecimal.length);
    for (let i = 0; i < hexadecimal.length; i++) {
      const four = parseInt(hexadecimal[i], 16);
      for (let k = 0; k < 4; k++) x[4 * i + k] = (four >> (3 - k)) & 1;
    }
    return x;
  }

  class Training {
    /**
     * `digits`: parts "train" and "test", each with `pixels`, packed. `settings`: objective ("autoencoder" or "vae"),
     * latent, beta, learningRate, seed; β and learning rate may change on the way.
     */
    constructor(digits, settings) {
      this.settings = { ...settings };
      this.random = new Random(settings.seed);
      this.model = new Model(settings.latent, this.random);
      this.adam = new Adam(this.model.weights.all.length);
      this.images = { train: unpack(digits.train.pixels), test: unpack(digits.test.pixels) };
      this.measured = Math.min(this.count("train"), this.count("test")); // as many of either part
      // Every measurement shares its noise, so that a curve shows how the model changes and nothing else.
      this.measuringNoise = new Random(0).normals(this.measured * settings.latent);
      this.order = Uint16Array.from({ length: this.count("train") }, (_, i) => i);
      this.at = this.order.length; // an epoch begins with the first step
      this.x = new Float32Array(BATCH * PIXELS);
      this.noise = new Float32Array(BATCH * settings.latent);
    }

    count(part) {
      return this.images[part].length / PIXELS;
    }

    get steps() {
      return this.adam.steps;
    }

    get variational() {
      return this.settings.objective === "vae";
    }

    /** Put the next images in `x`, and return their number: the last batch of an epoch is smaller. */
    nextBatch() {
      if (this.at >= this.order.length) {
        this.random.shuffle(this.order);
        this.at = 0;
      }
      const rows = this.order.subarray(this.at, (this.at += BATCH));
      const { train } = this.images;
      rows.forEach((row, i) => this.x.set(train.subarray(row * PIXELS, (row + 1) * PIXELS), i * PIXELS));
      return rows.length;
    }

    step() {
      const n = this.nextBatch();
      if (this.variational) this.noise.forEach((_, i) => (this.noise[i] = this.random.normal()));
      const noise = this.variational ? this.noise : null;
      this.model.forward(this.x, noise, n);
      this.model.backward(this.x, noise, n, this.settings.beta);
      this.adam.step(this.model.weights.all, this.model.slopes.all, this.settings.learningRate);
    }

    /** Rate and distortion of the first images of "train" or "test", in nats each; an autoencoder has no rate. */
    measure(part) {
      const { latent } = this.model;
      const total = { rate: 0, distortion: 0 };
      forEachBatch(this.measured, (start, n) => {
        const noise = this.variational ? this.measuringNoise.subarray(start * latent) : null;
        const mean = this.model.forward(this.images[part].subarray(start * PIXELS), noise, n);
        total.rate += mean.rate * n;
        total.distortion += mean.distortion * n;
      });
      const [rate, distortion] = [total.rate / this.measured, total.distortion / this.measured];
      return { rate: this.variational ? rate : null, distortion };
    }

    /** Mean and log-variance of q(z|x) of images (n × 64): two arrays (n × latent). */
    codes(x) {
      const { latent } = this.model;
      const n = x.length / PIXELS;
      const codes = { mean: new Float32Array(n * latent), logVar: new Float32Array(n * latent) };
      forEachBatch(n, (start, rows) => {
        this.model.encode(x.subarray(start * PIXELS), rows);
        codes.mean.set(this.model.mean.subarray(0, rows * latent), start * latent);
        codes.logVar.set(this.model.logVar.subarray(0, rows * latent), start * latent);
      });
      return codes;
    }
  }

  /** Variance over images of each latent dimension's mean; above ACTIVE the dimension is in use (Burda et al., 2016). */
  function spreads(mean, latent) {
    const n = mean.length / latent;
    const centre = new Float64Array(latent);
    const variance = new Float64Array(latent);
    mean.forEach((value, i) => (centre[i % latent] += value / n));
    mean.forEach((value, i) => (variance[i % latent] += (value - centre[i % latent]) ** 2 / n));
    return [...variance];
  }

  return { PIXELS, BATCH, ACTIVE, Random, Model, Adam, Training, spreads };
}
