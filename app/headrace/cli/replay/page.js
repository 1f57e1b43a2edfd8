(function(){
"use strict";
document.documentElement.classList.add("scripted");
var rows=[].slice.call(document.querySelectorAll(".pair,.e")).filter(function(e){return !e.parentElement.closest(".pair")});
var folds=[].slice.call(document.querySelectorAll("details.turn"));
var search=document.getElementById("search"),found=document.getElementById("found"),none=document.getElementById("none");
var texts=null,timer=0;
function look(){
  var words=search.value.toLowerCase().trim(),hits=0;
  if(!texts)texts=rows.map(function(e){return e.textContent.toLowerCase()});
  rows.forEach(function(e,i){var miss=words!==""&&texts[i].indexOf(words)<0;e.classList.toggle("miss",miss);if(!miss)hits++});
  folds.forEach(function(f){var hit=words===""||f.querySelector(".pair:not(.miss),.e:not(.miss)");f.classList.toggle("miss",!hit);if(words!==""&&hit)f.open=true});
  found.textContent=words===""?"":hits.toLocaleString("en")+" found";
  none.hidden=hits>0;
}
function show(target){
  for(var e=target;e;e=e.parentElement){if(e.tagName==="DETAILS")e.open=true;e.classList.remove("miss")}
  // Again while what lies between is laid out: until then its height is a guess.
  (function scroll(left){target.scrollIntoView({block:"center"});if(left)requestAnimationFrame(function(){scroll(left-1)})})(12);
}
if(search){
  search.addEventListener("input",function(){clearTimeout(timer);timer=setTimeout(look,120)});
  search.addEventListener("keydown",function(k){if(k.key==="Escape"){search.value="";look();search.blur()}});
}
window.addEventListener("hashchange",function(){var t=document.getElementById(location.hash.slice(1));if(t)show(t)});
var all=document.getElementById("all");
if(all)all.addEventListener("click",function(){
  var open=!folds.some(function(f){return f.open});
  folds.forEach(function(f){f.open=open});
  all.textContent=open?"Fold":"Unfold";
});
var wrong=rows.filter(function(e){return e.matches(".err,.changed,.missing,.extra")}),at=-1;
function next(){if(!wrong.length)return;at=(at+1)%wrong.length;show(wrong[at]);history.replaceState(null,"","#"+wrong[at].id);wrong[at].classList.add("seen")}
var button=document.getElementById("next");
if(button){button.addEventListener("click",next);button.disabled=!wrong.length}
document.addEventListener("keydown",function(k){
  if(k.target===search||k.ctrlKey||k.metaKey||k.altKey)return;
  if(k.key==="/"&&search){k.preventDefault();search.focus()}
  if(k.key==="e")next();
});
}());
