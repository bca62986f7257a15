// Asks the browser for a passkey, or for a new one, and tells Curfew the answer.
"use strict";

const ceremony = document.getElementById("ceremony");
const problem = document.getElementById("problem");

function complain(text) {
  problem.textContent = text;
  problem.hidden = false;
}

async function tell(what, body) {
  const answer = await fetch("/confirm/" + ceremony.dataset.link + "/" + what, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (!answer.ok) {
    complain(said.error);
  } else if (said.codes) {
    show(said.codes);
  } else {
    location.reload();
  }
}

// show shows recovery codes, which nobody can see again.
function show(codes) {
  const list = document.createElement("ol");
  list.id = "codes";
  for (const code of codes) {
    const item = document.createElement("li");
    item.textContent = code;
    list.append(item);
  }
  const text = document.createElement("p");
  text.setAttribute("role", "status");
  text.textContent = "Keep these where nobody else finds them. Each is good once, and they are not shown again.";
  ceremony.replaceChildren(text, list);
  problem.hidden = true;
}

async function withPasskey() {
  problem.hidden = true;
  const options = JSON.parse(ceremony.dataset.options);
  try {
    const credential = ceremony.dataset.kind === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    await tell("answer", credential.toJSON());
  } catch (err) {
    complain("Your browser has given no passkey (" + err.name + "). Try again, or choose another one.");
  }
}

if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) {
  complain("This browser is too old for passkeys, or this page did not come over TLS. Use a current browser.");
}
document.getElementById("passkey")?.addEventListener("click", withPasskey);
document.getElementById("recovery")?.addEventListener("submit", (event) => {
  event.preventDefault();
  problem.hidden = true;
  tell("recover", { code: document.getElementById("code").value }).catch(() => complain("Curfew does not answer. Try again."));
});
