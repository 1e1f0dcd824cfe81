/* MathJax sets a whole page at once: a second or more in which no instrument could start. So it is fetched ahead, but
   starts when the instruments run, or after two seconds; in a page without any, as soon as the page is read. It must
   come after its configuration and its own tag, which has a type that browsers leave alone. */
(() => {
  if (!window.MathJax) return; // a page without mathematics
  // Labels of ipywidgets call MathJax 2, and 3 has no Hub. Ours hold no mathematics, so that there is nothing to do.
  const Hub = { Queue() {} };
  const ready = () => {
    window.MathJax.Hub = Hub;
    window.MathJax.startup.defaultReady();
  };
  Object.assign(window.MathJax, { Hub, startup: { ready } });

  const tag = document.querySelector('script[type="text/mathjax"]');
  if (!tag) return; // it comes from another host and starts by itself
  const add = (name, attributes) => document.head.append(Object.assign(document.createElement(name), attributes));
  if (location.protocol !== "file:") add("link", { rel: "preload", as: "script", href: tag.src });

  document.addEventListener("DOMContentLoaded", () => {
    const wanted = document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length;
    const late = performance.now() + 2000;
    const look = () => {
      const running = document.querySelectorAll(".vae-stage[data-ready]").length;
      if (running >= wanted || performance.now() > late) add("script", { src: tag.src });
      else setTimeout(look, 25);
    };
    look();
  });
})();
