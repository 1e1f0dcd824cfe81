/* Predict first: makes choices of a question's list, and folds the output below until the reader has answered.
 *
 * The page without this script holds everything open. While the page loads, `predict-pending` on <html> keeps the
 * outputs from flashing up; it is set here, so that nothing stays hidden where this script does not run.
 */
(function () {
  "use strict";

  const root = document.documentElement;
  root.classList.add("predict-pending");

  /** The reader's answers, kept for this visit; a browser that forbids storage forgets them, and no more. */
  const memory = {
    key: (box) => `predict ${location.pathname} ${box.id}`,
    read(box) {
      try {
        return sessionStorage.getItem(this.key(box));
      } catch {
        return null;
      }
    },
    write(box, choice) {
      try {
        sessionStorage.setItem(this.key(box), String(choice));
      } catch {
        /* private mode */
      }
    },
  };

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /** What a prediction folds: the marked outputs and paragraphs between it and the next prediction. */
  function foldsOf(box, next) {
    return [...document.querySelectorAll(".predict-fold")].filter(
      (fold) =>
        box.compareDocumentPosition(fold) & Node.DOCUMENT_POSITION_FOLLOWING &&
        (!next || next.compareDocumentPosition(fold) & Node.DOCUMENT_POSITION_PRECEDING),
    );
  }

  function enhance(box, next) {
    const list = box.querySelector(".predict-choices");
    const folds = foldsOf(box, next);
    if (!list || !folds.length) return;
    const title = box.querySelector(".predict-title");
    title.id = `${box.id}-title`;
    box.setAttribute("role", "group");
    box.setAttribute("aria-labelledby", title.id);

    const choices = element("fieldset", { class: "predict-choices" }, element("legend", { class: "visually-hidden" }, "Your prediction"));
    for (const [i, item] of [...list.children].entries()) {
      const radio = element("input", { type: "radio", name: box.id, value: i });
      const text = item.children.length === 1 && item.firstElementChild.matches("p") ? item.firstElementChild : item;
      choices.append(element("label", {}, radio, element("span", {}, ...text.childNodes)));
    }
    folds.forEach((fold, i) => (fold.id ||= `${box.id}-output-${i + 1}`));
    const button = element("button", {
      type: "submit",
      "aria-expanded": "false",
      "aria-controls": folds.map((fold) => fold.id).join(" "),
    });
    const status = element("p", { class: "predict-status", role: "status", "aria-live": "polite" });
    const form = element("form", { novalidate: "" }, choices, element("div", { class: "predict-act" }, button, status));
    list.replaceWith(form);

    const reminder = element(
      "p",
      { class: "predict-reminder" },
      "Folded until you have made your prediction ",
      element("a", { href: `#${box.id}` }, "above"),
      ".",
    );
    folds[0].before(reminder);

    const chosen = () => choices.querySelector("input:checked");

    function show(open) {
      for (const fold of folds) {
        if (open) fold.removeAttribute("hidden");
        else fold.setAttribute("hidden", "until-found"); // searching the page still finds it
      }
      reminder.hidden = open || choices.disabled;
      button.setAttribute("aria-expanded", String(open));
      button.textContent = open ? "Fold the output" : "Show the output";
      box.classList.toggle("predict-open", open);
    }

    function commit(radio) {
      radio.checked = true;
      choices.disabled = true;
      const answer = radio.nextElementSibling.cloneNode(true);
      answer.querySelectorAll("[tabindex]").forEach((copy) => copy.removeAttribute("tabindex")); // it has no menu
      status.replaceChildren("You predicted: ", ...answer.childNodes);
      status.classList.add("predict-answer");
      show(true);
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const open = button.getAttribute("aria-expanded") === "true"; // by an answer, or by a link into it
      if (choices.disabled || open) {
        show(!open);
      } else if (chosen()) {
        memory.write(box, chosen().value);
        commit(chosen());
        button.focus({ preventScroll: true }); // the answer that had the focus is disabled now
      } else {
        status.textContent = "Choose an answer first. A guess is fine: guessing is what makes the output stick.";
        choices.querySelector("input").focus();
      }
    });
    for (const fold of folds) fold.addEventListener("beforematch", () => show(true));

    show(false);
    const before = memory.read(box);
    const radio = before === null ? null : choices.querySelector(`input[value="${CSS.escape(before)}"]`);
    if (radio) commit(radio);
  }

  /** A link into a folded part opens it. */
  function reveal() {
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      /* a lone percent sign */
    }
    const target = name && document.getElementById(name);
    const fold = target && target.closest(".predict-fold[hidden]");
    if (!fold) return;
    fold.dispatchEvent(new Event("beforematch"));
    target.scrollIntoView();
  }

  document.addEventListener("DOMContentLoaded", () => {
    try {
      const boxes = [...document.querySelectorAll(".predict")];
      boxes.forEach((box, i) => enhance(box, boxes[i + 1]));
    } finally {
      root.classList.remove("predict-pending");
    }
    window.addEventListener("hashchange", reveal);
    reveal();
  });
})();
