" qualm vets python as it is typed or pasted.

call ale#linter#Define('python', qualm#Linter())
