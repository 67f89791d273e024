// The script of the pages with passkeys. A form with the attribute data-options makes or shows a passkey and sends it
// in its field "credential". The attribute data-page of <main> says which passkeys the device should know.
//
// It needs no build step, loads nothing, and makes no HTML from text, so a strict Content-Security-Policy holds.
"use strict";
(() => {
  const PKC = globalThis.PublicKeyCredential;
  const forms = document.querySelectorAll("form[data-options]");
  let pending; // AbortController of the request that waits for a choice in an input field

  // say shows a text where the page shows its errors.
  const say = (text) => {
    let place = document.getElementById("error");
    if (!place) {
      place = document.createElement("p");
      place.id = "error";
      place.className = "error";
      place.setAttribute("role", "alert");
      document.querySelector("h1").after(place);
    }
    place.textContent = text;
  };

  // run makes a passkey if the options have a user, and shows one if not.
  const run = (options, mediation, signal) => {
    const make = "user" in options;
    const publicKey = make ? PKC.parseCreationOptionsFromJSON(options) : PKC.parseRequestOptionsFromJSON(options);
    const wanted = { publicKey, signal };
    if (mediation) wanted.mediation = mediation;
    return make ? navigator.credentials.create(wanted) : navigator.credentials.get(wanted);
  };

  const send = (form, credential) => {
    form.elements.namedItem("credential").value = JSON.stringify(credential.toJSON());
    HTMLFormElement.prototype.submit.call(form);
  };

  const reasons = {
    InvalidStateError: "This device has a passkey for this account already.",
    SecurityError: "Passkeys do not work at this address. Please tell the people who run this site.",
    NotSupportedError: "This device cannot make a passkey of the kind that is needed here.",
    ConstraintError: "This device cannot keep a passkey, or cannot verify you. Set up a PIN or a fingerprint, or use another device.",
  };
  const explain = (error) => reasons[error.name] || "No passkey was used. Please try again, or use another way.";

  const usable = PKC && PKC.parseRequestOptionsFromJSON && PKC.parseCreationOptionsFromJSON && PKC.prototype.toJSON;

  for (const form of forms) {
    const { publicKey, mediation } = JSON.parse(form.dataset.options);
    const button = form.querySelector("button");
    if (!usable) {
      button.disabled = true;
      say("This browser does not know passkeys, or an older kind of them. Please use another browser or another way.");
      continue;
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (pending) pending.abort();
      pending = undefined;
      button.disabled = true;
      try {
        send(form, await run(publicKey));
      } catch (error) {
        say(explain(error));
        button.disabled = false;
      }
    });
    if (mediation === "conditional" && PKC.isConditionalMediationAvailable) {
      PKC.isConditionalMediationAvailable().then(async (available) => {
        if (!available || button.disabled) return;
        pending = new AbortController();
        send(form, await run(publicKey, mediation, pending.signal));
      }).catch(() => {}); // the button remains
    }
  }

  // The device forgets passkeys that the account does not have any more, and learns the names of now.
  const main = document.querySelector("main[data-page]");
  for (const [name, value] of Object.entries(main ? JSON.parse(main.dataset.page) : {})) {
    if (PKC && PKC[name]) PKC[name](value).catch(() => {}); // a wish: not every browser follows it
  }
})();
