" qualm vets javascript as it is typed or pasted.

call ale#linter#Define('javascript', qualm#Linter())
