/* MathJax sets a whole page at once: a second or more in which no instrument could start. This runs before it, and has
   it wait for the instruments, though not for long. */
(() => {
  const config = window.MathJax; // not loaded yet: what it will be told; absent from pages without mathematics
  if (!config) return;
  const wanted = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length;
  const started = new Promise((done) => {
    setTimeout(done, 2000);
    const look = () =>
      document.querySelectorAll(".vae-stage[data-ready]").length >= wanted ? done() : requestAnimationFrame(look);
    look();
  });
  // Labels of ipywidgets call MathJax 2, and 3 has no Hub. Ours hold no mathematics, so that there is nothing to do.
  const Hub = { Queue() {} };
  config.Hub = Hub;
  config.startup = {
    ready() {
      window.MathJax.Hub = Hub;
      window.MathJax.startup.defaultReady();
    },
    pageReady: () => started.then(() => window.MathJax.startup.defaultPageReady()),
  };
})();
