// Keeps a page up to date: replaces what has changed in <main>, and leaves the rest alone, so that
// focus, selection, scrolling and opened details stay. Pages work without it.
"use strict";

(() => {
  const form = document.querySelector("form[data-send]");
  if (form) form.submit();

  const follow = document.documentElement.dataset.follow;
  const main = document.getElementById("main");
  const link = document.getElementById("link");
  if (!follow || !main || !link) return;

  const KEEP = { DETAILS: ["open"], INPUT: ["value"], OPTION: ["selected"] };

  const attributes = (old, fresh) => {
    const kept = KEEP[old.nodeName] || [];
    for (const { name } of [...old.attributes])
      if (!fresh.hasAttribute(name) && !kept.includes(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes)
      if (old.getAttribute(name) !== value && !kept.includes(name)) old.setAttribute(name, value);
  };

  const morph = (old, fresh) => {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(document.importNode(fresh, true));
    } else if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    } else if (!old.isEqualNode(fresh)) {
      attributes(old, fresh);
      children(old, fresh);
    }
  };

  const children = (old, fresh) => {
    const before = [...old.childNodes];
    const after = [...fresh.childNodes];
    after.forEach((node, i) => {
      if (i < before.length) morph(before[i], node);
      else old.appendChild(document.importNode(node, true));
    });
    before.slice(after.length).forEach((node) => node.remove());
  };

  const say = (words, state) => {
    if (link.textContent !== words) link.textContent = words;
    link.className = state;
  };

  const take = (html) => {
    const pre = [...main.querySelectorAll("pre.log")].map(
      (one) => one.scrollTop + one.clientHeight >= one.scrollHeight - 4,
    );
    children(main, new DOMParser().parseFromString(html, "text/html").body);
    main.querySelectorAll("pre.log").forEach((one, i) => {
      if (pre[i] !== false) one.scrollTop = one.scrollHeight; // follow the end of a log
    });
  };

  const source = new EventSource("/ui/events?of=" + encodeURIComponent(follow));
  source.onopen = () => say("live", "live");
  source.onerror = () => say("not connected, trying again", "warn");
  source.onmessage = (event) => take(event.data);
  source.addEventListener("over", () => location.reload());
  addEventListener("pagehide", () => source.close());
  for (const one of main.querySelectorAll("pre.log")) one.scrollTop = one.scrollHeight;
})();
