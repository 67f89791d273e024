// The script of the pages with a field for a password. A button that is hidden without it shows what was typed. The
// field keeps its name and its autocomplete, and is hidden again before it is sent or left.
//
// It loads nothing and makes no HTML from text, so a strict Content-Security-Policy holds.
"use strict";
for (const button of document.querySelectorAll("button[aria-controls][aria-pressed]")) {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  const show = (on) => {
    field.type = on ? "text" : "password";
    button.setAttribute("aria-pressed", String(on));
  };
  field.spellcheck = false; // some browsers send what they check to a service
  field.autocapitalize = "none";
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false));
  addEventListener("pagehide", () => show(false)); // the browser may keep the page, for Back
  button.hidden = false;
}
