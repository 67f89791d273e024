// The script of the pages with passkeys. A form with the attribute data-options makes or shows a passkey and sends it
// in its field "credential". The attribute data-page of <main> says which passkeys the device should know, and
// data-texts has the texts to show.
//
// It needs no build step, loads nothing, and makes no HTML from text, so a strict Content-Security-Policy holds.
"use strict";
(() => {
  const PKC = globalThis.PublicKeyCredential;
  const forms = document.querySelectorAll("form[data-options]");
  const main = document.querySelector("main");
  const read = (text) => JSON.parse(text || "{}");
  const page = read(main && main.dataset.page);
  const texts = read(main && main.dataset.texts);
  let pending; // AbortController of the request that waits for a choice in an input field

  // say shows a text where the page shows its errors.
  const say = (name) => {
    let place = document.getElementById("error");
    if (!place) {
      place = document.createElement("p");
      place.id = "error";
      place.className = "error";
      place.setAttribute("role", "alert");
      document.querySelector("h1").after(place);
    }
    place.textContent = texts[name] || texts.failed || "";
  };

  // run makes a passkey if the options have a user, and shows one if not.
  const run = (options, mediation, signal) => {
    const make = "user" in options;
    const publicKey = make ? PKC.parseCreationOptionsFromJSON(options) : PKC.parseRequestOptionsFromJSON(options);
    const wanted = { publicKey, signal };
    if (mediation) wanted.mediation = mediation;
    return make ? navigator.credentials.create(wanted) : navigator.credentials.get(wanted);
  };

  const submit = (form) => HTMLFormElement.prototype.submit.call(form);

  const send = (form, credential) => {
    form.elements.namedItem("credential").value = JSON.stringify(credential.toJSON());
    submit(form);
  };

  // offer lets the browser offer the passkeys of the device in an input field, until something else is chosen.
  const offer = (form, options) => {
    if (!PKC.isConditionalMediationAvailable) return;
    PKC.isConditionalMediationAvailable().then(async (available) => {
      if (!available || pending) return;
      pending = new AbortController();
      send(form, await run(options, "conditional", pending.signal));
    }).catch(() => {}); // the rest of the page remains
  };

  const usable = PKC && PKC.parseRequestOptionsFromJSON && PKC.parseCreationOptionsFromJSON && PKC.prototype.toJSON;

  for (const form of forms) {
    const { publicKey, mediation } = JSON.parse(form.dataset.options);
    const button = form.querySelector("button");
    if (!usable) {
      const later = document.querySelector("input[name=later]"); // an offer: the person goes on without
      if (later) return submit(later.form);
      if (!button) continue; // nobody sees the form
      button.disabled = true;
      say("unsupported");
      continue;
    }
    if (mediation === "conditional") offer(form, publicKey);
    if (!button) continue;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (pending) pending.abort();
      pending = undefined;
      button.disabled = true;
      try {
        send(form, await run(publicKey));
      } catch (error) {
        say(error.name);
        button.disabled = false;
      }
    });
  }

  // The device forgets passkeys that the account does not have any more, and learns the names of now.
  for (const [name, value] of Object.entries(page)) {
    if (PKC && PKC[name]) PKC[name](value).catch(() => {}); // a wish: not every browser follows it
  }
})();
