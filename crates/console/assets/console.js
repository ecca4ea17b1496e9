// Follows changes: each element with data-live takes its HTML from a stream of server-sent events. A hidden tab holds
// no connection, since a browser has only six for one server.
"use strict";

const keepOpenDetails = {
  beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
};

function follow(part) {
  const note = document.querySelector("[data-live-note]");
  let source = null;
  let ended = false;

  const say = (text) => {
    if (note && note.textContent !== text) note.textContent = text;
  };
  const stop = () => {
    if (source) source.close();
    source = null;
  };
  const start = () => {
    if (ended || source) return;
    source = new EventSource(part.dataset.live);
    source.addEventListener("open", () => say("Live"));
    source.addEventListener("error", () => say("Connecting…"));
    source.addEventListener("part", (event) => {
      say("Live");
      Idiomorph.morph(part, event.data, { morphStyle: "innerHTML", ignoreActiveValue: true, callbacks: keepOpenDetails });
    });
    source.addEventListener("end", () => {
      ended = true;
      stop();
      say("Final");
    });
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", () => document.hidden || start());
  if (!document.hidden) start();
}

document.querySelectorAll("[data-live]").forEach(follow);
