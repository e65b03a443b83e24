export { Virtualizer, observeElementRect, observeElementOffset, elementScroll } from "@tanstack/virtual-core";
