" qualm vets typescript as it is typed or pasted.

call ale#linter#Define('typescript', qualm#Linter())
