/* Runs a decoder: the layers that `_network.py` describes, rows of numbers in and out, channels last. */

const bytesOf = (view) => new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength);

/** Half precision to single; the copy is aligned, which the views of a live kernel need not be. */
function fromHalf(view) {
  const half = new Uint16Array(bytesOf(view).slice().buffer);
  return Float32Array.from(half, (h) => {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  });
}

const errorFunction = (x) => {
  // Abramowitz & Stegun 7.1.26: within 1.5e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
};
const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const ACTIVATIONS = {
  linear: null,
  relu: (x) => (x > 0 ? x : 0),
  leaky_relu: (x, slope) => (x > 0 ? x : slope * x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  sigmoid,
  tanh: Math.tanh,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  silu: (x) => x * sigmoid(x),
  gelu: (x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2)),
};

/** From a likelihood's parameter to its mean, as `likelihoods.py` has it. */
const MEANS = {
  bernoulli: sigmoid,
  continuous_bernoulli: (l) =>
    Math.abs(l) < 0.5 ? 0.5 + l / 12 - l ** 3 / 720 + l ** 5 / 30240 : 0.5 + 0.5 / Math.tanh(l / 2) - 1 / l,
  gaussian: (x) => x,
};

const size = (shape) => shape.reduce((a, b) => a * b, 1);

/** target[to …] += x · kernel[from …], over one row of output channels. */
function addRow(target, to, kernel, from, channels, x) {
  for (let c = 0; c < channels; c++) target[to + c] += x * kernel[from + c];
}

const FORWARD = {
  activation: ({ y }, x) => y.set(x),

  dense({ y, kernel, output: [n] }, x) {
    for (let i = 0; i < x.length; i++) if (x[i] !== 0) addRow(y, 0, kernel, i * n, n, x[i]); // half of relu's are 0
  },

  upsample({ y, input: [h, w, c], size: [up, across] }, x) {
    for (let i = 0; i < h * up; i++)
      for (let j = 0; j < w * across; j++) {
        const from = (Math.floor(i / up) * w + Math.floor(j / across)) * c;
        y.set(x.subarray(from, from + c), (i * w * across + j) * c);
      }
  },

  /* Every pair of an input and an output pixel that a kernel's cell connects. In a convolution the output walks in
     strides over the input, in a transposed one the input over the output. */
  convolution: (layer, x) => convolve(layer, x, false),
  transposed: (layer, x) => convolve(layer, x, true),
};

function convolve({ y, kernel, input, output, cells, strides, pad }, x, transposed) {
  const [small, large] = transposed ? [input, output] : [output, input];
  const [channels, filters] = [input[2], output[2]];
  for (let i = 0; i < small[0]; i++)
    for (let j = 0; j < small[1]; j++)
      for (let a = 0; a < cells[0]; a++) {
        const row = i * strides[0] + a - pad[0];
        if (row < 0 || row >= large[0]) continue;
        for (let b = 0; b < cells[1]; b++) {
          const column = j * strides[1] + b - pad[1];
          if (column < 0 || column >= large[1]) continue;
          const [near, far] = [i * small[1] + j, row * large[1] + column];
          const [from, to] = transposed ? [near, far] : [far, near];
          for (let c = 0; c < channels; c++) {
            const value = x[from * channels + c];
            if (value !== 0) addRow(y, to * filters, kernel, ((a * cells[1] + b) * channels + c) * filters, filters, value);
          }
        }
      }
}

/** The layers with their weights cut out of the bytes, ready for `decode`. */
function unpack(layers, view) {
  const weights = fromHalf(view);
  let at = 0;
  const take = (n) => weights.subarray(at, (at += n));
  return layers.map((layer) => {
    const { kind, input, output } = layer;
    const channels = output[output.length - 1];
    const cells = layer.kernel;
    const kernel = kind === "dense" ? take(size(input) * channels) : cells && take(size(cells) * input[2] * channels);
    const bias = layer.bias ? take(channels) : null;
    return { ...layer, cells, kernel, bias, y: new Float32Array(size(output)) };
  });
}

/** The mean image of a code: pixels in rows, channels last. A decoder may emit more channels than the image has. */
function decode(layers, mean, z, [height, width, channels]) {
  let x = Float32Array.from(z);
  for (const layer of layers) {
    const { y, bias, activation, slope } = layer;
    if (bias) for (let i = 0; i < y.length; i += bias.length) y.set(bias, i);
    else y.fill(0);
    FORWARD[layer.kind](layer, x);
    const f = ACTIVATIONS[activation];
    if (f) for (let i = 0; i < y.length; i++) y[i] = f(y[i], slope);
    x = y;
  }
  const emitted = x.length / (height * width);
  const pixels = new Float32Array(height * width * channels);
  for (let i = 0; i < height * width; i++)
    for (let c = 0; c < channels; c++) pixels[i * channels + c] = MEANS[mean](x[i * emitted + c]);
  return pixels;
}
