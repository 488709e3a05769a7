"use strict";
// Show the value of a slider while it is moved. The server decides which labels apply.
document.addEventListener("input", (event) => {
  if (event.target.type !== "range") return;
  const output = document.querySelector(`output[for="${CSS.escape(event.target.id)}"]`);
  if (output) output.value = Number(event.target.value).toFixed(2);
});

// On a phone, the filters would fill the first screen.
const filters = document.getElementById("filters");
if (filters && matchMedia("(max-width: 50rem)").matches) filters.open = false;
