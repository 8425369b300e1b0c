// Asks every 15 seconds, while the page is seen, whether something new has come. The number is put into the title and
// into a link; what is being read never moves.
(function () {
  "use strict";
  var link = document.getElementById("news");
  if (!link) {
    return;
  }
  var title = document.title;
  var pause = 15000;
  var waiting = null;

  function later() {
    clearTimeout(waiting);
    waiting = setTimeout(ask, pause);
  }

  function show(news) {
    if (news.new > 0) {
      link.textContent = link.dataset.text.replace("{n}", news.new);
      link.hidden = false;
      document.title = "(" + news.new + ") " + title;
    }
  }

  function ask() {
    if (document.hidden) {
      return;
    }
    fetch(link.dataset.news, { cache: "no-store", credentials: "same-origin" })
      .then(function (answer) {
        if (answer.ok) {
          return answer.json().then(show);
        }
      })
      .catch(function () {})
      .then(later);
  }

  document.addEventListener("visibilitychange", function () {
    clearTimeout(waiting);
    if (!document.hidden) {
      ask();
    }
  });
  later();
})();
