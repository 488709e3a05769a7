"use strict";
// Files that were added must not be chosen any more, otherwise the next click would add them again.
document.addEventListener("htmx:after:swap", () => {
  if (document.querySelector("#added .done:not([data-seen])")) {
    document.querySelector("#added .done").dataset.seen = "";
    document.getElementById("add-documents").reset();
  }
});
