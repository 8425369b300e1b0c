"use strict";
{
const box = document.getElementById("scan");
const base = box.dataset.url;
let begun = 0;
const show = name => box.querySelectorAll("[data-in]").forEach(part => {
  part.hidden = !part.dataset.in.split(" ").includes(name);
});
const put = (id, text) => { document.getElementById(id).textContent = text; };
const pause = time => new Promise(done => setTimeout(done, time));
const post = (path, form) => fetch(path, {
  method: "POST", body: form, headers: { "Content-Type": "application/x-www-form-urlencoded" },
});
const begin = async () => {
  begun = Date.now();
  show("begin");
  const answer = await post(base, box.dataset.form).catch(() => ({}));
  if (!answer.ok) return show("failed");
  const login = await answer.json();
  put("code", login.word + " " + login.code);
  document.getElementById("qr").innerHTML = login.svg || "";
  follow(login, "waiting");
};
const follow = async (login, state) => {
  while (true) {
    show(state === "waiting" && !login.svg ? "typed" : state);
    if (state === "denied" || state === "expired") return;
    if (state === "approved") {
      const answer = await post(base + "/" + login.id).catch(() => ({}));
      if (answer.ok) return location.replace((await answer.json()).to);
      if (answer.status === 404 || answer.status === 409) return show("failed");
      await pause(2000);
      continue;
    }
    const asked = Date.now();
    const answer = await fetch(base + "/" + login.id + "?state=" + state).catch(() => ({}));
    if (answer.status === 404) return Date.now() - begun > 10000 ? begin() : show("failed");
    const now = answer.ok ? await answer.json() : { state: state };
    if (now.number) put("number", now.number);
    if (now.state === state && Date.now() - asked < 2000) await pause(2000);
    state = now.state;
  }
};
box.querySelectorAll("button").forEach(button => { button.onclick = begin; });
box.hidden = false;
begin();
}
